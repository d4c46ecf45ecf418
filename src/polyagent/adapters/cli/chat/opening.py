"""From what the command line says to a conversation."""

from collections.abc import Callable
from pathlib import Path

import rich_click as click

from polyagent.adapters.cli.chat.choices import Choices
from polyagent.adapters.cli.chat.conversation import Conversation, Teller
from polyagent.adapters.cli.chat.history import History
from polyagent.adapters.cli.chat.images import read_image
from polyagent.adapters.cli.chat.lines import Lines
from polyagent.adapters.cli.chat.pages import page
from polyagent.adapters.cli.chat.prompt import typed
from polyagent.adapters.cli.chat.talk import WORDS, Talk, described
from polyagent.adapters.cli.chat.transcript import Transcript
from polyagent.adapters.cli.exits import Failed
from polyagent.adapters.cli.server import Server


def conversation(server: Server, chosen: Choices) -> Conversation:
    """Raises `Failed` for an agent, a picture or a session that is none."""
    opened = Conversation(server, _teller(chosen))
    opened.images = [read_image(path) for path in chosen.images]
    opened.model = chosen.model
    opened.session_id = _session(server, chosen)
    if chosen.agent is not None:
        opened.choose_agent(chosen.agent)
    return opened


def _teller(chosen: Choices) -> Callable[[], Teller]:
    if chosen.wants_json:
        return Lines
    sheet = page(plain=chosen.plain)
    return lambda: Transcript(sheet, verbose=chosen.verbose, cites=chosen.cites)


def _session(server: Server, chosen: Choices) -> str | None:
    if not chosen.goes_on:
        return str(chosen.session) if chosen.session else None
    last = server.last_sessions()
    if not last:
        raise Failed("There is no session to go on with.")
    return str(last[0]["id"])


def talk(server: Server, where: str, chosen: Choices, history: Path) -> None:
    opened = conversation(server, chosen)
    click.secho(f"{where}; /help tells what there is, Ctrl-D ends", dim=True, err=True)
    if opened.session_id is not None:
        session = described(server.session(opened.session_id))
        click.secho(f"Going on with {session}", dim=True, err=True)
    Talk(server, opened).hold(typed(History(history), WORDS))
