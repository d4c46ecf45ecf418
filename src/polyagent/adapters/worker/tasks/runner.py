"""Tasks of this process: taken in their turn, tried, and what came of it recorded."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import Protocol
from uuid import UUID

import structlog

from polyagent.adapters.worker.loops import every, waited
from polyagent.adapters.worker.sweep import sweep
from polyagent.adapters.worker.tasks.attempt import GRACE_S, Attempt
from polyagent.adapters.worker.tasks.endings import Endings
from polyagent.domain.backoff import retry_delay_s
from polyagent.domain.errors import QueueUnavailable
from polyagent.domain.queue import Entry
from polyagent.domain.run import Beat
from polyagent.domain.task import OWNER_GONE, Ended, TaskWork, handed_back
from polyagent.ports.kinds import Kinds
from polyagent.ports.queue import TaskBacklog, TaskQueue
from polyagent.ports.signals import Signals
from polyagent.ports.tasks import TaskJournal
from polyagent.ports.telemetry import Meter
from polyagent.settings import Queue as Settings

BLOCK_S = 2.0
SWEEP_S = 1.0
WAIT_S = 0.5
AT_ONCE = 100
TAKERS = 2
CLOSE_S = 2.0

log = structlog.get_logger("polyagent.tasks")


class Host(Protocol):
    """The process that tasks are done in: it beats, under its id, for all that is done there."""

    @property
    def worker_id(self) -> UUID: ...

    def holds_lease(self) -> bool: ...

    async def may_judge(self) -> bool:
        """Say whether it may declare others dead."""

    def on_beat(self, listener: Callable[[Beat], None]) -> None: ...


class TaskRunner:
    def __init__(
        self,
        journal: TaskJournal,
        queue: TaskQueue,
        backlog: TaskBacklog,
        kinds: Kinds,
        host: Host,
        signals: Signals,
        meter: Meter,
        settings: Settings,
    ) -> None:
        self._journal = journal
        self._queue = queue
        self._backlog = backlog
        self._kinds = kinds
        self._host = host
        self._meter = meter
        self._settings = settings
        self._names = [n for n in kinds.names() if not settings.kinds or n in settings.kinds]
        self._endings = Endings(journal)
        self._attempts: dict[UUID, Attempt] = {}
        self._lost: set[UUID] = set()
        self._awaited = 0
        self._claims = 0
        self._closing = asyncio.Event()
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._taking: set[asyncio.Future[Sequence[Entry]]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._random = SystemRandom()
        host.on_beat(self._reconcile)
        signals.on_cancelled(self._cancel)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do tasks until the block ends; then drain."""
        closed = asyncio.Event()
        recording = asyncio.create_task(every(0, closed, self._record))
        self._loops = [
            *(asyncio.create_task(every(0, self._closing, self._fill)) for _ in range(TAKERS)),
            asyncio.create_task(every(SWEEP_S, self._closing, self._sweep)),
        ]
        try:
            yield
        finally:
            await self.drain()
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)

    async def _record(self) -> None:
        await self._endings.record()
        self._woken.set()

    async def drain(self) -> None:
        """Take no more; let what runs end within `queue.drain_s`, and hand back what does not."""
        self._closing.set()
        self._woken.set()
        for taking in self._taking:
            taking.cancel()
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=CLOSE_S)
            for loop in late:
                loop.cancel()
        await self._until_idle(self._settings.drain_s)
        for attempt in [*self._attempts.values()]:
            attempt.stop("stopping")
        await self._until_idle(GRACE_S + 1)
        await self._endings.all_recorded(CLOSE_S)

    async def _until_idle(self, seconds: float) -> None:
        self._idle.clear()
        if self._attempts:
            await waited(self._idle, seconds)

    @property
    def places(self) -> int:
        return self._settings.concurrency

    @property
    def executing(self) -> int:
        return len(self._attempts)

    @property
    def _free(self) -> int:
        """How many more are taken now: none without a lease, or while too much is not recorded."""
        if self._closing.is_set() or not self._host.holds_lease():
            return 0
        if len(self._endings) > 2 * self.places:
            return 0
        return min(self.places - len(self._attempts) - self._awaited, AT_ONCE)

    async def _fill(self) -> None:
        if not self._names or (free := self._free) <= 0:
            await waited(self._woken, WAIT_S)
            self._woken.clear()
            return
        self._awaited += free
        try:
            await self._take_and_claim(free)
        finally:
            self._awaited -= free

    async def _take_and_claim(self, n: int) -> None:
        try:
            taken = await self._take(n)
        except QueueUnavailable:
            await self._claim_oldest(n)
        else:
            if taken:
                await self._claim([entry.id for entry in taken])

    async def _claim_oldest(self, n: int) -> None:
        self._claims += 1
        try:
            works = await self._journal.claim_oldest(self._host.worker_id, n, self._names)
            self._begin(works)
        finally:
            self._claims -= 1
        if not works:
            await waited(self._closing, WAIT_S)

    async def _take(self, n: int) -> Sequence[Entry]:
        taking = asyncio.ensure_future(self._queue.take(n, BLOCK_S))
        self._taking.add(taking)
        try:
            await asyncio.wait((taking,))
            return () if taking.cancelled() else taking.result()
        finally:
            taking.cancel()
            self._taking.discard(taking)

    async def _claim(self, ids: Sequence[UUID]) -> None:
        self._claims += 1
        try:
            works, foreign = await self._journal.claim(self._host.worker_id, ids, self._names)
            self._begin(works)
        finally:
            self._claims -= 1
        if foreign:
            await self._queue.put(foreign, head=True)

    def _begin(self, works: Sequence[TaskWork]) -> None:
        for work in works:
            self._meter.task_started(work.kind, work.waited_s)
            if work.actor is None:
                self._endings.add(work.failed(OWNER_GONE, delay_s=0))
                continue
            self._attempts[work.id] = Attempt(
                work,
                self._kinds.get(work.kind),
                self._journal,
                retry_delay_s=self._retry_delay_s,
                ends=self._ended,
            )

    def _retry_delay_s(self, work: TaskWork, error: BaseException) -> float:
        return retry_delay_s(
            work.tries,
            base_s=self._settings.retry_s,
            most_s=self._settings.retry_most_s,
            draw=self._random.random(),
            retry_after_s=getattr(error, "retry_after_s", None),
        )

    def _ended(self, attempt: Attempt, ended: Ended | None) -> None:
        work = attempt.work
        if self._attempts.get(work.id) is attempt:
            del self._attempts[work.id]
        if ended is not None:
            self._endings.add(ended)
            self._meter.task_ended(work.kind, ended.status)
        self._woken.set()
        if not self._attempts:
            self._idle.set()

    def _cancel(self, task_id: UUID) -> None:
        if attempt := self._attempts.get(task_id):
            attempt.stop("cancelled")

    def _reconcile(self, beat: Beat) -> None:
        """Bring what is done here and what the rows say is ours together; doubt twice first."""
        for task_id in beat.cancelled_tasks:
            self._cancel(task_id)
        for task_id, attempt in [*self._attempts.items()]:
            is_mine = beat.tasks.get(task_id) == attempt.work.attempt
            attempt.doubts = 0 if is_mine else attempt.doubts + 1
            if attempt.doubts == 2:
                log.warning("task.fenced", task_id=str(task_id), kind=attempt.work.kind)
                attempt.stop("fenced")
        if self._claims == 0:
            self._give_back_lost(beat)

    def _give_back_lost(self, beat: Beat) -> None:
        """Give back what is ours without having begun here: the answer to its claim was lost."""
        lost = beat.tasks.keys() - self._attempts.keys() - self._endings.ids
        again, self._lost = lost & self._lost, lost
        for task_id in again:
            self._endings.add(handed_back(task_id, beat.tasks[task_id], cut_short=False))

    async def _sweep(self) -> None:
        if await self._host.may_judge():
            await self._journal.take_over(self._host.worker_id)
        await sweep(self._queue, self._backlog)
