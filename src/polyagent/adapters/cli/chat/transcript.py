"""A run's events as text for a person."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from polyagent.adapters.cli.exits import Failed

MAX_ARGUMENTS = 120

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Transcript:
    """`write` gets the answer, `note` whole lines about how it comes.

    Not `live`, only text that is final is written: pieces of it may turn out void when another
    process takes the run over. Control characters are dropped: a model must not steer a terminal.
    """

    def __init__(
        self, write: Callable[[str], object], note: Callable[[str], object], *, live: bool
    ) -> None:
        self._write = write
        self._note = note
        self._live = live
        self._shown = ""
        self.session_id: str | None = None

    def show(self, event: dict[str, Any]) -> None:
        """Raises `Failed` for the end of a run that did not complete."""
        self.session_id = event.get("session_id") or self.session_id
        match event:
            case {"type": "message.delta", "text": text} if self._live:
                self._shown += text
                self._write(_safe(text))
            case {"type": "message.completed", "message": {"content": content}}:
                self._complete(content)
            case {"type": "run.queued", "position": position}:
                self._note(f"waiting at position {position}")
            case {"type": "run.resumed", "reason": reason}:
                self._resume(reason)
            case {"type": "tool.called", "name": name, "arguments": arguments}:
                self._note(f"{name} {_short(arguments)}")
            case {"type": "tool.completed", "state": state} if state != "done":
                self._note(f"{state}: {_short(event.get('error'))}")
            case {"type": "run.failed", "code": code, "detail": detail}:
                self._break()
                raise Failed(f"{detail} ({code})")
            case {"type": "run.cancelled"}:
                self._break()
                raise Failed("The run was cancelled.")

    def _complete(self, content: str) -> None:
        """Write what is still missing of a message, all of it where what was shown is void."""
        if not content.startswith(self._shown):
            self._break()
        rest = content.removeprefix(self._shown)
        self._shown = ""
        if content:
            self._write(f"{_safe(rest)}\n")

    def _resume(self, reason: str) -> None:
        self._break()
        self._note(f"the run goes on ({reason}); an unfinished message begins anew")

    def _break(self) -> None:
        if self._shown:
            self._write("\n")
        self._shown = ""


def _safe(text: str) -> str:
    return _CONTROLS.sub("", text)


def _short(value: object) -> str:
    text = _safe(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return text if len(text) <= MAX_ARGUMENTS else f"{text[:MAX_ARGUMENTS]}..."
