"""Asks that follow one another in one session."""

import sys
from typing import Any
from uuid import UUID

import rich_click as click

from polyagent.adapters.cli.chat.answering import Answering
from polyagent.adapters.cli.chat.transcript import Transcript
from polyagent.adapters.cli.exits import Failed
from polyagent.adapters.cli.server import Server

BUILTIN = ("general", "code", "research")


class Conversation:
    def __init__(self, server: Server, *, agent: str | None, session_id: UUID | None) -> None:
        self._server = server
        self._agent = _agent(server, agent) if agent else {}
        self._session_id = str(session_id) if session_id else None

    def say(self, text: str) -> None:
        """Ask and show the answer; Ctrl-C cancels the run. Raises `Failed`, `Lost`."""
        ask = {**self._agent, "message": text}
        if self._session_id is not None:
            ask["session_id"] = self._session_id
        answering = Answering(self._server, ask)
        transcript = Transcript(_write, _note, live=sys.stdout.isatty())
        try:
            for event in answering.events():
                transcript.show(event)
        except KeyboardInterrupt:
            answering.cancel()
            raise Failed("Interrupted.") from None
        finally:
            self._session_id = transcript.session_id or self._session_id


def _agent(server: Server, named: str) -> dict[str, Any]:
    if named in BUILTIN:
        return {"agent_type": named}
    try:
        return {"agent_id": str(UUID(named))}
    except ValueError:
        return {"agent_id": str(server.agent_named(named))}


def _write(text: str) -> None:
    click.echo(text, nl=False)


def _note(text: str) -> None:
    click.secho(f"[{text}]", dim=True, err=True)
