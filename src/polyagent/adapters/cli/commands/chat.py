"""The command that talks to an agent in the terminal."""

import select
import sys
from io import UnsupportedOperation
from pathlib import Path
from typing import Any

import rich_click as click

from polyagent.adapters.cli.chat.choices import Choices
from polyagent.adapters.cli.options import Place, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.reaching import access, reaching

HISTORY = "chat_history"
STDIN_WAIT_S = 3.0


@click.command()
@click.argument("text", required=False)
@click.option(
    "-c", "--continue/--new", "goes_on", help="Go on with the session that was used last, or not."
)
@click.option("--session", type=click.UUID, help="Go on with this session.")
@click.option("--agent", help="general, code, research, or the name or id of an agent.")
@click.option("--model", help="The model that answers, instead of the agent's own.")
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture to send along; may be given several times.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--plain", is_flag=True, help="Show answers as they stand, not as Markdown.")
@click.option("-v", "--verbose", is_flag=True, help="Say what each answer took.")
@reaching
@located
@click.pass_obj
def chat(
    load: LoadProduct,
    /,
    place: Place,
    text: str | None,
    url: str | None,
    token: str | None,
    **options: Any,
) -> None:
    """Ask TEXT and see the answer as it comes; without TEXT, talk.

    What is piped in is asked too, behind TEXT. Ctrl-C cancels an answer; Ctrl-D ends a talk, and /help
    tells what else there is.
    """
    from polyagent.adapters.cli.chat.opening import conversation, talk
    from polyagent.adapters.cli.server import Server

    chosen = Choices(**options)
    asked = _asked(text, chosen)
    settings = place.settings()
    where, tokens = access(load, settings, url, token)
    with Server(where, tokens) as server:
        if asked is None:
            talk(server, where, chosen, Path(str(settings.data_dir)) / HISTORY)
        else:
            conversation(server, chosen).say(asked)


def _asked(text: str | None, chosen: Choices) -> str | None:
    """Return what to ask, None for a talk. Raises `click.UsageError`."""
    if chosen.goes_on and chosen.session is not None:
        raise click.UsageError("--continue and --session exclude each other.")
    if sys.stdin is None or sys.stdin.isatty():
        if text is None and chosen.wants_json:
            raise click.UsageError("--json needs a TEXT, or one that is piped in.")
        return text
    piped = _piped() if text is None or _comes() else ""
    if text is not None:
        return f"{text}\n\n{piped}" if piped.strip() else text
    if not piped.strip():
        raise click.UsageError("There is nothing to ask: give a TEXT.")
    return piped


def _comes() -> bool:
    """Say whether something is piped in; a pipe that nobody writes to shall not hold us up."""
    if sys.platform == "win32":
        return True
    try:
        ready, _, _ = select.select([sys.stdin], [], [], STDIN_WAIT_S)
    except (OSError, ValueError, UnsupportedOperation):  # no descriptor
        return True
    if not ready:
        click.echo(f"[nothing came in through the pipe for {STDIN_WAIT_S:.0f} s]", err=True)
    return bool(ready)


def _piped() -> str:
    return sys.stdin.buffer.read().decode(errors="replace")
