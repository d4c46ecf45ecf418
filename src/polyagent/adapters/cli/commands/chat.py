"""The command that talks to an agent in the terminal."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import rich_click as click

from polyagent.adapters.cli import credentials
from polyagent.adapters.cli.chat.history import remembered
from polyagent.adapters.cli.options import Place, address, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.waiting import wait
from polyagent.domain.errors import PolyAgentError
from polyagent.settings import Settings

HISTORY = "chat_history"


@click.command()
@click.argument("text", required=False)
@click.option("--session", type=click.UUID, help="Go on with this session.")
@click.option("--agent", help="general, code, research, or the name or id of an agent.")
@click.option(
    "--url",
    callback=address,
    envvar="POLYAGENT_URL",
    show_envvar=True,
    help="Talk to the server of this address; needs a token.",
)
@click.option("--token", envvar="POLYAGENT_TOKEN", show_envvar=True, help="An access token.")
@located
@click.pass_obj
def chat(
    load: LoadProduct,
    place: Place,
    text: str | None,
    session: UUID | None,
    agent: str | None,
    url: str | None,
    token: str | None,
) -> None:
    """Ask TEXT and see the answer as it comes; without TEXT, talk.

    What is piped in is asked too. Ctrl-C cancels an answer; Ctrl-D ends the talk.
    """
    from polyagent.adapters.cli.chat.conversation import Conversation
    from polyagent.adapters.cli.server import Server

    settings = place.settings()
    where, tokens = _access(load, settings, url, token)
    with Server(where, tokens) as server:
        conversation = Conversation(server, agent=agent, session_id=session)
        if text is None and sys.stdin.isatty():
            _talk(conversation.say, Path(str(settings.data_dir)) / HISTORY)
        else:
            conversation.say(_piped() if text is None else text)


def _access(
    load: LoadProduct, settings: Settings, url: str | None, token: str | None
) -> tuple[str, Callable[[], str]]:
    """Return the server's address and what gives a token for it.

    A token of our own is only ever sent to the data directory's own server.
    """
    if url is not None and token is None:
        raise click.UsageError("--url needs a --token, or POLYAGENT_TOKEN.")
    if token is not None:
        return url or load().endpoint(settings), lambda: token
    product = load()
    return product.endpoint(settings), lambda: wait(
        credentials.token(product, settings, username=credentials.ADMIN)
    )


def _piped() -> str:
    text = sys.stdin.read()
    if not text.strip():
        raise click.UsageError("There is nothing to ask: give a TEXT.")
    return text


def _talk(say: Callable[[str], Any], history: Path) -> None:
    """Ask what is typed, line by line; what goes wrong with one line does not end the talk."""
    with remembered(history):
        for line in _typed():
            try:
                say(line)
            except PolyAgentError as error:
                click.secho(error.detail, fg="red", err=True)


def _typed() -> Iterator[str]:
    while True:
        try:
            line = input("> ")
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return
        if line.strip():
            yield line
