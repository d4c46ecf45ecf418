"""Following one run to its end, across broken connections."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import httpx

from polyagent.adapters.cli.chat import sse
from polyagent.adapters.cli.server import Away, Lost, Server
from polyagent.domain.ids import new_id

PATIENCE_S = 60.0
PAUSE_S = 0.5
LAST = frozenset({"run.completed", "run.failed", "run.cancelled"})


class Answering:
    """One ask and the events of its run: it goes on where it was once the server is back.

    `waits` is called when it begins to wait for the server. Where no server was reached yet there is
    no such waiting.
    """

    def __init__(self, server: Server, ask: Mapping[str, Any], waits: Callable[[], object]) -> None:
        self._server = server
        self._ask = ask
        self._waits = waits
        self._key = str(new_id())
        self._after = 0
        self._asked = False
        self._ended = False
        self._heard_at = time.monotonic()
        self._run_id: str | None = None

    def events(self) -> Iterator[dict[str, Any]]:
        """Raises `Failed` for what is refused, `Lost` if there is no server, or none for a minute."""
        waiting = False
        while not self._ended:
            try:
                yield from self._read()
                waiting = False
            except Lost as lost:
                if self._is_hopeless(lost):
                    raise
                if not waiting:
                    self._waits()
                waiting = True
            if not self._ended:
                time.sleep(PAUSE_S)

    def _is_hopeless(self, lost: Lost) -> bool:
        if time.monotonic() - self._heard_at > PATIENCE_S:
            return True
        if not isinstance(lost, Away):
            self._asked = True  # it may have been: only the same key tells
            return False
        return not self._asked and not (self._server.was_reached and lost.may_return)

    def cancel(self) -> None:
        """Cancel the run; before its id is known there is nothing to name."""
        if self._run_id is not None:
            self._server.cancel(self._run_id)

    def _read(self) -> Iterator[dict[str, Any]]:
        with self._connection() as response:
            self._begin(response)
            for event in sse.events(response.iter_bytes()):
                self._heard_at = time.monotonic()
                if event["id"] <= self._after:
                    continue
                self._after = event["id"]
                self._ended = not event["path"] and event["type"] in LAST
                yield event

    def _connection(self) -> AbstractContextManager[httpx.Response]:
        """Ask, with the same key however often: until the run's id is known there is no other way."""
        if self._run_id is None:
            return self._server.asking(self._ask, self._key)
        return self._server.following(self._run_id, self._after)

    def _begin(self, response: httpx.Response) -> None:
        self._asked = True
        self._ended = response.status_code == httpx.codes.NO_CONTENT
        location = response.headers.get("Content-Location", "")
        self._run_id = self._run_id or location.rpartition("/")[2] or None
