"""Copies of the live logs of runs that execute elsewhere, kept while they have readers here."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.live.log import channel_of, events_of, read, run_of
from polyagent.adapters.redis.live.subscriber import Subscriber
from polyagent.adapters.redis.live.wire import AWAY
from polyagent.domain.event import Event
from polyagent.ports.events import LiveLogs

PATIENCE_S = 0.5

log = structlog.get_logger("polyagent.redis")


class _Mirror:
    """`waiting` is what was heard while the log is being read; None when it is not."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.waiting: list[Event] | None = None
        self.loading: asyncio.Task[None] | None = None
        self.is_read = asyncio.Event()


class Mirrors:
    """Every mirror is subscribed first and read then: nothing can fall between."""

    def __init__(self, client: RedisClient, logs: LiveLogs, subscriber: Subscriber) -> None:
        self._client = client
        self._logs = logs
        self._subscriber = subscriber
        self._readers: dict[UUID, int] = {}
        self._mirrors: dict[UUID, _Mirror] = {}
        self._executing: set[UUID] = set()

    @asynccontextmanager
    async def read_by_one_more(self, run_id: UUID) -> AsyncIterator[None]:
        """Enter when the log was read once; without Redis after a moment."""
        self._readers[run_id] = self._readers.get(run_id, 0) + 1
        try:
            if run_id not in self._executing:
                await self._begun(run_id)
            yield
        finally:
            self._readers[run_id] -= 1
            if not self._readers[run_id]:
                del self._readers[run_id]
                self._end(run_id)

    def executes_here(self, run_id: UUID) -> None:
        self._executing.add(run_id)
        self._end(run_id)

    def executes_elsewhere(self, run_id: UUID) -> None:
        self._executing.discard(run_id)
        if run_id in self._readers:
            self._begin(run_id)

    def joined(self, channel: bytes) -> None:
        if mirror := self._mirrors.get(run_of(channel)):
            self._load(run_of(channel), mirror)

    def heard(self, channel: bytes, message: bytes) -> None:
        if (mirror := self._mirrors.get(run_of(channel))) is None:
            return
        for event in events_of(message):
            if mirror.waiting is not None:
                mirror.waiting.append(event)
            elif event.id > mirror.last + 1:
                self._load(event.run_id, mirror, event)
            else:
                self._show(mirror, (event,))

    async def _begun(self, run_id: UUID) -> None:
        mirror = self._begin(run_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await mirror.is_read.wait()

    def _begin(self, run_id: UUID) -> _Mirror:
        mirror = self._mirrors.get(run_id)
        if mirror is None:
            shown = self._logs.shown(run_id)
            mirror = self._mirrors[run_id] = _Mirror(shown[-1].id if shown else 0)
            self._subscriber.add(channel_of(run_id))
        return mirror

    def _end(self, run_id: UUID) -> None:
        mirror = self._mirrors.pop(run_id, None)
        if mirror is not None:
            self._subscriber.remove(channel_of(run_id))
            if mirror.loading is not None:
                mirror.loading.cancel()

    def _load(self, run_id: UUID, mirror: _Mirror, *heard: Event) -> None:
        """Read the log from where the mirror is; what is heard meanwhile comes after it."""
        mirror.waiting = [*(mirror.waiting or ()), *heard]
        if mirror.loading is None or mirror.loading.done():
            mirror.loading = asyncio.create_task(self._read(run_id, mirror))

    async def _read(self, run_id: UUID, mirror: _Mirror) -> None:
        try:
            async for event in read(self._client, run_id, mirror.last):
                self._show(mirror, (event,))
        except AWAY as error:  # the journal has what lasts
            log.debug("mirror.not_read", run_id=str(run_id), error=str(error))
        waiting, mirror.waiting = mirror.waiting or (), None
        self._show(mirror, waiting)
        mirror.is_read.set()

    def _show(self, mirror: _Mirror, events: Iterable[Event]) -> None:
        for event in events:
            if event.id > mirror.last:
                mirror.last = event.id
                self._logs.relay(event)
