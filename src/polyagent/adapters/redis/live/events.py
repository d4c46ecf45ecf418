"""The port Events between processes: live logs in memory, told to the others through Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from uuid import UUID

from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.live.mirrors import Mirrors
from polyagent.adapters.redis.live.publisher import Publisher
from polyagent.adapters.redis.live.subscriber import Subscriber
from polyagent.adapters.redis.live.wire import Wire
from polyagent.domain.event import Event
from polyagent.ports.clock import Clock
from polyagent.ports.events import Feed, LiveLogs
from polyagent.ports.runs import Runs

CANCELLED = b"polyagent:cancelled"
CANCEL_AGAIN_S = 1.0


class RedisEvents:
    """Implements `ports.events.Events` and `ports.signals.Signals`.

    One connection publishes, one subscribes, whatever the number of runs and readers. Without Redis
    readers here go on, and readers elsewhere read the journal.
    """

    def __init__(
        self,
        client: RedisClient,
        logs: LiveLogs,
        runs: Runs,
        clock: Clock,
        *,
        live_log_s: float,
        timeout_s: float,
    ) -> None:
        self._logs = logs
        self._wire = Wire(client, timeout_s)
        self._publisher = Publisher(client, self._wire, logs, runs, clock, live_log_s=live_log_s)
        self._subscriber = Subscriber(client, heard=self._heard, joined=self._joined)
        self._mirrors = Mirrors(client, logs, self._subscriber)
        self._listeners: list[Callable[[UUID], None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish and listen until the block ends."""
        loops = [
            asyncio.create_task(loop)
            for loop in (
                self._publisher.publishing(),
                self._publisher.mending(),
                self._subscriber.listening(),
            )
        ]
        try:
            yield
        finally:
            await _ended(loops)
            await self._publisher.send()
            await self._wire.aclose()

    def open(self, run_id: UUID, epoch: int) -> None:
        self._logs.open(run_id, epoch)
        self._mirrors.executes_here(run_id)
        self._publisher.open(run_id, epoch)

    def publish(self, event: Event) -> None:
        self._logs.publish(event)
        self._publisher.add(event)

    async def flush(self, run_id: UUID) -> None:
        await self._publisher.flush(run_id)

    def close(self, run_id: UUID) -> None:
        self._publisher.close(run_id)
        self._logs.close(run_id)
        self._mirrors.executes_elsewhere(run_id)

    @asynccontextmanager
    async def subscribe(self, run_id: UUID, after: int) -> AsyncIterator[Feed]:
        async with (
            self._logs.subscribe(run_id, after) as feed,
            self._mirrors.read_by_one_more(run_id),
        ):
            yield feed

    def cancelled(self, run_id: UUID) -> None:
        self._tell_cancelled(run_id)
        self._publisher.hint(CANCELLED, run_id.bytes)

    def on_cancelled(self, listener: Callable[[UUID], None]) -> None:
        self._listeners.append(listener)
        self._subscriber.add(CANCELLED)

    def _heard(self, channel: bytes, message: bytes) -> None:
        if channel == CANCELLED:
            self._tell_cancelled(UUID(bytes=message))
        else:
            self._mirrors.heard(channel, message)

    def _joined(self, channel: bytes) -> None:
        if channel != CANCELLED:
            self._mirrors.joined(channel)

    def _tell_cancelled(self, run_id: UUID) -> None:
        for listener in self._listeners:
            listener(run_id)


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they end: what they await may swallow a cancellation that meets its own timeout."""
    left: Collection[asyncio.Task[None]] = tasks
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
