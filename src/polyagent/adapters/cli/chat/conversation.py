"""Asks that follow one another in one session."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from polyagent.adapters.cli.chat.answering import Answering
from polyagent.adapters.cli.chat.images import Image
from polyagent.adapters.cli.exits import Failed
from polyagent.adapters.cli.server import Away, Server, utf8

BUILTIN = ("general", "code", "research")


class Teller(Protocol):
    """Tells the events of one run."""

    def show(self, event: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Conversation:
    """`session_id` None: the next ask begins a session; `images` go with the next ask, `documents` with each."""

    def __init__(self, server: Server, teller: Callable[[], Teller]) -> None:
        self._server = server
        self._teller = teller
        self._agent: dict[str, Any] = {}
        self.model: str | None = None
        self.session_id: str | None = None
        self.images: list[Image] = []
        self.documents: Sequence[str] = ()

    def choose_agent(self, named: str) -> None:
        """Take a built-in type, an id or a name. Raises `Failed` if there is no such agent."""
        if named in BUILTIN:
            self._agent = {"agent_type": named}
            return
        try:
            self._agent = {"agent_id": str(UUID(named))}
        except ValueError:
            self._agent = {"agent_id": str(self._server.agent_named(named))}

    def say(self, text: str) -> None:
        """Ask and show the answer; Ctrl-C cancels the run. Raises `Failed`, `Lost`.

        Where nobody is there to take them, `images` wait for the next ask; otherwise they go with
        this one only.
        """
        teller = self._teller()
        waits = "the server is away: waiting for it"
        images, self.images = self.images, []
        answering = Answering(self._server, self._ask(text, images), lambda: teller.note(waits))
        try:
            for event in answering.events():
                self.session_id = event.get("session_id") or self.session_id
                images = []
                teller.show(event)
        except Away:
            self.images, images = images, []
            raise
        except KeyboardInterrupt:
            answering.cancel()
            raise Failed("Interrupted.") from None
        finally:
            if images:
                teller.note(f"dropped: {', '.join(image.name for image in images)}")
            teller.close()

    def _ask(self, text: str, images: Sequence[Image]) -> dict[str, Any]:
        text = utf8(text)
        parts = [image.part() for image in images]
        message = [{"type": "text", "text": text}, *parts] if parts else text
        named = {
            "session_id": self.session_id,
            "model": self.model,
            "document_ids": self.documents or None,
        }
        chosen = {name: value for name, value in named.items() if value is not None}
        return {**self._agent, **chosen, "message": message}
