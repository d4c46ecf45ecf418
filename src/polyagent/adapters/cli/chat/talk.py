"""A talk: what is typed is asked, and what begins with a slash is done."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import rich_click as click

from polyagent.adapters.cli.chat.conversation import BUILTIN, Conversation
from polyagent.adapters.cli.chat.images import read_image
from polyagent.adapters.cli.chat.transcript import safe
from polyagent.adapters.cli.exits import Failed
from polyagent.adapters.cli.server import Server
from polyagent.domain.errors import PolyAgentError

SESSIONS_SHOWN = 10
ORDER = re.compile(r"/([a-z]+)(?:[ \t]+(.*))?")

HELP = {
    "/help": "show this",
    "/new": "begin a new session",
    "/sessions": "list the last sessions",
    "/open N": "go on with session N of that list, or with one by its id",
    "/history": "show what was said in this session",
    "/agent NAME": "talk with another agent; without NAME, list them",
    "/model NAME": "answer with another model, - for the agent's own; without NAME, list them",
    "/image FILE": "send a picture with the next message",
    "/quit": "end; so does Ctrl-D",
}
WORDS = tuple(entry.partition(" ")[0] for entry in HELP)


class Talk:
    def __init__(self, server: Server, conversation: Conversation) -> None:
        self._server = server
        self._conversation = conversation
        self._listed: list[dict[str, Any]] = []
        self._orders: dict[str, Callable[[str], Iterable[str]]] = {
            "help": self._help,
            "new": self._new,
            "sessions": self._sessions,
            "open": self._open,
            "history": self._history,
            "agent": self._agent,
            "model": self._model,
            "image": self._image,
        }

    def hold(self, entries: Iterable[str]) -> None:
        """Ask or do each entry; what goes wrong with one does not end the talk."""
        for entry in entries:
            if entry.strip() in ("/quit", "/exit"):
                return
            try:
                self._take(entry)
            except PolyAgentError as error:
                click.secho(error.detail, fg="red", err=True)

    def _take(self, entry: str) -> None:
        """A text that begins with a slash is asked when it begins with two, or goes on like a path."""
        order = ORDER.fullmatch(entry.strip())
        if order is None:
            self._conversation.say(entry[1:] if entry.startswith("//") else entry)
            return
        name, argument = order.groups()
        if name not in self._orders:
            raise Failed(f"There is no /{name}; /help lists what there is, and //{name} is asked.")
        for line in self._orders[name]((argument or "").strip()):
            click.echo(safe(line))

    def _help(self, _: str) -> Iterator[str]:
        for order, meaning in HELP.items():
            yield f"  {order:12} {meaning}"
        yield "  Alt-Enter, or a backslash at its end, begins another line. Ctrl-C cancels an answer."

    def _new(self, _: str) -> Iterator[str]:
        self._conversation.session_id = None
        yield "A new session begins."

    def _sessions(self, _: str) -> Iterator[str]:
        self._listed = self._server.last_sessions()[:SESSIONS_SHOWN]
        if not self._listed:
            yield "There is no session yet."
        for number, session in enumerate(self._listed, 1):
            here = "*" if session["id"] == self._conversation.session_id else " "
            yield f"{here}{number:3}  {described(session)}"

    def _open(self, named: str) -> Iterator[str]:
        if not named:
            raise Failed("/open needs a number of /sessions, or the id of a session.")
        number = int(named) if named.isascii() and named.isdigit() else 0
        if 0 < number <= len(self._listed):
            named = self._listed[number - 1]["id"]
        session = self._server.session(named)
        self._conversation.session_id = session["id"]
        yield f"Going on with {described(session)}"

    def _history(self, _: str) -> Iterator[str]:
        if self._conversation.session_id is None:
            yield "Nothing was said yet."
            return
        for message in self._server.messages(self._conversation.session_id):
            if message["content"] and message["role"] in ("user", "assistant"):
                mark = "> " if message["role"] == "user" else ""
                yield f"{mark}{message['content']}"

    def _agent(self, named: str) -> Iterator[str]:
        if named:
            self._conversation.choose_agent(named)
            yield f"{named} answers from now on."
            return
        yield f"Built in: {', '.join(BUILTIN)}"
        for agent in self._server.agents():
            yield f"  {agent['name']}"

    def _model(self, named: str) -> Iterator[str]:
        if named:
            self._conversation.model = None if named == "-" else named
            whose = "The agent's own model" if named == "-" else named
            yield f"{whose} answers from now on."
            return
        for name in self._server.models():
            yield f"{'*' if name == self._conversation.model else ' '} {name}"

    def _image(self, named: str) -> Iterator[str]:
        if not named:
            raise Failed("/image needs a file.")
        image = read_image(Path(named))
        self._conversation.images.append(image)
        yield f"{image.name} goes with the next message."


def described(session: dict[str, Any]) -> str:
    when = session["updated_at"][:16].replace("T", " ")
    title = session["title"] or session["id"]
    return safe(f"{title} ({session['message_count']} messages, {when} UTC)")
