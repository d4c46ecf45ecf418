"""The live logs that this process holds: of the runs that execute here, and copies of others.

A reader is a place in its run's log and holds nothing of its own. A log is cut at its beginning when
it grows too long: a reader that was still there sees a gap in the ids.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from polyagent.domain.event import Event
from polyagent.ports.clock import Clock
from polyagent.ports.events import Feed

LOG_BYTES = 8 * 1024 * 1024
CLOSED_BYTES = 64 * 1024 * 1024
EVENT_BYTES = 400
TAKE = 256


class _Log:
    """What was published of one run. `dropped` events were there before the first that is left."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dropped = 0
        self.size_bytes = 0
        self.is_open = False
        self.feeds: set[_LogFeed] = set()

    def append(self, event: Event) -> None:
        if self.events and event.id <= self.events[-1].id:
            return  # of an executor that was fenced, or heard twice
        self.events.append(event)
        self.size_bytes += _size_bytes(event)
        if self.size_bytes > LOG_BYTES:
            self.cut(len(self.events) // 2)
        self.wake()

    def cut(self, count: int) -> None:
        self.size_bytes -= sum(map(_size_bytes, self.events[:count]))
        del self.events[:count]
        self.dropped += count

    def wake(self) -> None:
        for feed in self.feeds:
            feed.news.set()


class _LogFeed:
    def __init__(self, log: _Log, after: int) -> None:
        self.news = asyncio.Event()
        self._log = log
        self._next = log.dropped + bisect_right(log.events, after, key=lambda event: event.id)

    @property
    def is_live(self) -> bool:
        return self._log.is_open

    def take(self) -> Sequence[Event]:
        begin = max(0, self._next - self._log.dropped)
        taken = self._log.events[begin : begin + TAKE]
        end = begin + len(taken)
        self._next = self._log.dropped + end
        if end == len(self._log.events):
            self.news.clear()
        return taken

    async def wait(self) -> None:
        await self.news.wait()

    def wake(self) -> None:
        self.news.set()


class MemoryEvents:
    """A log stays for `live_log_s` after it was closed; while all of them are too big, the oldest go."""

    def __init__(self, live_log_s: float, clock: Clock) -> None:
        self._live_log_s = live_log_s
        self._clock = clock
        self._logs: dict[UUID, _Log] = {}
        self._closed_at_s: dict[UUID, float] = {}
        self._closed_bytes = 0

    def open(self, run_id: UUID, epoch: int) -> None:
        self._forget_old()
        log = self._logs.setdefault(run_id, _Log())
        if self._closed_at_s.pop(run_id, None) is not None:
            self._closed_bytes -= log.size_bytes
        log.is_open = True
        log.wake()

    def publish(self, event: Event) -> None:
        log = self._logs.get(event.run_id)
        if log is not None and log.is_open:
            log.append(event)

    def relay(self, event: Event) -> None:
        log = self._logs.get(event.run_id)
        if log is not None and not log.is_open:
            before_bytes = log.size_bytes
            log.append(event)
            if event.run_id in self._closed_at_s:
                self._closed_bytes += log.size_bytes - before_bytes

    def shown(self, run_id: UUID) -> Sequence[Event]:
        log = self._logs.get(run_id)
        return tuple(log.events) if log else ()

    async def flush(self, run_id: UUID) -> None:
        """Nobody reads elsewhere."""

    def close(self, run_id: UUID) -> None:
        log = self._logs.get(run_id)
        if log is None or not log.is_open:
            return
        log.is_open = False
        log.wake()
        self._closed_at_s[run_id] = self._clock.monotonic()
        self._closed_bytes += log.size_bytes
        self._forget_old()

    @asynccontextmanager
    async def subscribe(self, run_id: UUID, after: int) -> AsyncIterator[Feed]:
        self._forget_old()
        log = self._logs.setdefault(run_id, _Log())
        feed = _LogFeed(log, after)
        log.feeds.add(feed)
        try:
            yield feed
        finally:
            log.feeds.discard(feed)
            self._drop_unused(run_id)

    def _forget_old(self) -> None:
        horizon_s = self._clock.monotonic() - self._live_log_s
        while self._closed_at_s:
            run_id, closed_at_s = next(iter(self._closed_at_s.items()))
            if closed_at_s >= horizon_s and self._closed_bytes <= CLOSED_BYTES:
                return
            self._forget(run_id)

    def _forget(self, run_id: UUID) -> None:
        log = self._logs[run_id]
        del self._closed_at_s[run_id]
        self._closed_bytes -= log.size_bytes
        log.cut(len(log.events))
        log.wake()
        self._drop_unused(run_id)

    def _drop_unused(self, run_id: UUID) -> None:
        log = self._logs[run_id]
        if not (log.is_open or log.feeds or run_id in self._closed_at_s):
            del self._logs[run_id]


def _size_bytes(event: Event) -> int:
    """Estimate what an event holds in memory."""
    text = getattr(event.body, "text", None)
    return EVENT_BYTES + len(text if text is not None else event.wire)
