"""A run's events as text for a person."""

import re
import time
from typing import Any

import msgspec

from polyagent.adapters.cli.chat.pages import Page
from polyagent.adapters.cli.exits import Failed

MAX_ARGUMENTS = 120

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Transcript:
    """Writes the answer on a page, and what it cites, with notes about how it comes.

    `verbose`: also what it took; `cites`: also that it cites nothing, if so.

    On a page that is not live only text that is final is written: pieces of it may turn out void when
    another process takes the run over. What happens in child runs is left out: their parent tells
    what comes of it. Control characters are dropped: a model must not steer a terminal.
    """

    def __init__(self, page: Page, *, verbose: bool = False, cites: bool = False) -> None:
        self._page = page
        self._verbose = verbose
        self._cites = cites
        self._began_s = time.monotonic()
        self._shown = ""
        self._thinking = False
        self._model: str | None = None
        self._citations: list[dict[str, Any]] = []
        page.wait()

    def show(self, event: dict[str, Any]) -> None:
        """Raises `Failed` for the end of a run that did not complete."""
        if event.get("path"):
            return
        match event:
            case {"type": "message.delta", "text": text}:
                self._grow(text)
            case {"type": "message.completed", "message": {"content": content} as message}:
                self._complete(content)
                self._citations += message.get("citations", ())
            case {"type": "run.completed", "usage": usage}:
                self._sum_up(event.get("run_id"), usage)
            case {"type": "run.failed", "code": code, "detail": detail}:
                self.close()
                raise Failed(f"{detail} ({code})")
            case {"type": "run.cancelled"}:
                self.close()
                raise Failed("The run was cancelled.")
            case _:
                self._remark(event)

    def _remark(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "reasoning.delta"} if not self._thinking:
                self._thinking = True
                self.note("it thinks")
            case {"type": "run.queued", "position": position}:
                self.note(f"waiting at position {position}")
            case {"type": "run.resumed", "reason": reason}:
                self.close()
                self.note(f"the run goes on ({reason}); an unfinished message begins anew")
            case {"type": "context.compacted", "messages": messages}:
                self.note(f"{messages} older messages were summarised")
            case {"type": "tool.called", "name": name, "arguments": arguments}:
                self.note(f"{name} {_short(arguments)}")
            case {"type": "tool.completed", "state": state} if state != "done":
                self.note(f"{state}: {_short(event.get('error'))}")
            case {"type": "usage", "model": model}:
                self._model = model

    def note(self, text: str) -> None:
        self._page.note(safe(text))

    def close(self) -> None:
        """End what is shown as it is."""
        self._page.finish()
        self._shown = ""

    def _grow(self, text: str) -> None:
        self._thinking = False
        if self._page.live:
            self._shown += text
            self._page.write(safe(text))

    def _complete(self, content: str) -> None:
        """Write what is still missing of a message, all of it where what was shown is void."""
        if not content.startswith(self._shown):
            self.close()
        if rest := content.removeprefix(self._shown):
            self._page.write(safe(rest))
        self.close()

    def _sum_up(self, run_id: str | None, usage: dict[str, Any]) -> None:
        self.close()
        for number, citation in enumerate(self._citations, start=1):
            self._page.add(f"[{number}] {_cited(citation)}")
        if self._cites and not self._citations:
            self.note("the answer cites nothing: nobody has checked it")
        if self._verbose:
            seconds = time.monotonic() - self._began_s
            tokens = f"{usage.get('input_tokens', 0)} + {usage.get('output_tokens', 0)} tokens"
            told = (f"{seconds:.1f} s", tokens, self._model, f"run {run_id}")
            self.note(", ".join(filter(None, told)))


def place(found: dict[str, Any]) -> str:
    """Return the file, and the page if it has pages, of a citation or a passage."""
    page = found.get("page")
    return safe(found["filename"]) + ("" if page is None else f", page {page}")


def _cited(citation: dict[str, Any]) -> str:
    quote = " ".join(safe(citation["quote"]).split())
    verdict = "verified" if citation["verified"] else "NOT VERIFIED"
    return f'{place(citation)}: "{quote}" ({verdict})'


def safe(text: str) -> str:
    return _CONTROLS.sub("", text)


def _short(value: object) -> str:
    text = safe(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return text if len(text) <= MAX_ARGUMENTS else f"{text[:MAX_ARGUMENTS]}..."
