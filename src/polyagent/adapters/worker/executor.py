"""Runs as tasks of this process, under a lease that it renews twice a second."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import UUID

import structlog

from polyagent.adapters.worker.claims import Claims
from polyagent.adapters.worker.handle import Handle
from polyagent.adapters.worker.tracing import run_span, traceparent
from polyagent.adapters.worker.user_runs import UserRuns
from polyagent.domain.errors import Unavailable
from polyagent.domain.ids import new_id
from polyagent.domain.queue import who
from polyagent.domain.run import Beat, Work
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events
from polyagent.ports.journal import Journal
from polyagent.ports.limits import Places
from polyagent.ports.queue import Backlog, Queue
from polyagent.ports.signals import Signals
from polyagent.usecases.execute_run import ExecuteRun

BEAT_S = 0.5
LEASE_S = 4.0
FAREWELL_S = 2.0

log = structlog.get_logger("polyagent.worker")


class LocalExecutor:
    """Admits, claims and executes runs; implements `ports.executor.Executor`."""

    def __init__(
        self,
        execute: ExecuteRun,
        journal: Journal,
        events: Events,
        signals: Signals,
        clock: Clock,
        queue: Queue,
        backlog: Backlog,
        places: Places,
        *,
        concurrent_runs: int,
        user_runs: int,
        drain_s: float,
    ) -> None:
        self.worker_id = new_id()
        self._execute = execute
        self._journal = journal
        self._events = events
        self._signals = signals
        self._clock = clock
        self.places = concurrent_runs
        self._users = UserRuns(places, most=user_runs)
        self._drain_s = drain_s
        self._handles: dict[UUID, Handle] = {}
        self._awaited: set[UUID] = set()
        self._lost: set[UUID] = set()
        self._lease_until = float("-inf")
        self._leased = asyncio.Event()
        self._term = 0
        self._draining = False
        self._on_beat: list[Callable[[Beat], None]] = []
        self._claims = Claims(self, journal, queue, backlog)
        signals.on_cancelled(self._cancel_here)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Beat and claim until the block ends; then drain."""
        beats = asyncio.create_task(self._beats())
        self._claims.start()
        try:
            yield
        finally:
            await self.drain()
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._journal.leave(self.worker_id)

    async def until_open(self) -> None:
        """Wait for the first lease: what is admitted here before it is queued."""
        await self._leased.wait()

    def on_beat(self, listener: Callable[[Beat], None]) -> None:
        """Have `listener` called with what the database says to each beat."""
        self._on_beat.append(listener)

    async def may_judge(self) -> bool:
        """Say whether this process may declare others dead."""
        return await self._journal.may_judge()

    async def drain(self) -> None:
        """Take no more, let the steps at hand commit, hand the runs over."""
        self._draining = True
        await self._claims.close()
        tasks = {handle.task for handle in self._handles.values() if handle.task is not None}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._drain_s)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks, timeout=FAREWELL_S)

    @property
    def is_open(self) -> bool:
        return self.free > 0

    @property
    def free(self) -> int:
        """How many more runs this process takes now: none while it drains, or without a lease."""
        if self._draining or not self.holds_lease():
            return 0
        return self.places - len(self._handles)

    @property
    def executing(self) -> int:
        return len(self._handles)

    def holds_lease(self) -> bool:
        return self._clock.monotonic() < self._lease_until

    def _held_since(self, term: int) -> bool:
        """Say whether the lease never ran out since `term`: while it had, a run may have been taken over."""
        return term == self._term and self.holds_lease()

    @asynccontextmanager
    async def admitting(self, run_id: UUID, user_id: UUID) -> AsyncIterator[UUID | None]:
        self._awaited.add(run_id)
        try:
            has_place = self.is_open and await self.reserve(run_id, who(user_id))
            yield self.worker_id if has_place and self.is_open else None
        finally:
            self._awaited.discard(run_id)
            self.release(run_id)

    async def reserve(self, run_id: UUID, of: bytes) -> bool:
        """Say whether whoever it is may have one more run executed; then it counts until it is released."""
        return await self._users.enter(run_id, of)

    def release(self, run_id: UUID) -> None:
        """Give back what was reserved, unless the run executes here now."""
        if run_id not in self._handles:
            self._users.leave(run_id)

    def traceparent(self) -> str | None:
        return traceparent()

    def launch(self, work: Work) -> None:
        handle = Handle(
            work,
            holds_lease=partial(self._held_since, self._term),
            draining=lambda: self._draining,
        )
        self._handles[work.run.id] = handle
        self._users.hold(work.run.id, who(work.user_id))
        self._events.open(work.run.id, work.lease.epoch)
        handle.task = asyncio.create_task(self._guarded(handle))
        handle.task.add_done_callback(lambda _: self._ended(handle))

    def wake(self) -> None:
        self._claims.wake()

    def cancel(self, run_id: UUID) -> None:
        self._signals.cancelled(run_id)

    def _cancel_here(self, run_id: UUID) -> None:
        if handle := self._handles.get(run_id):
            handle.cancel()

    async def _guarded(self, handle: Handle) -> None:
        run_id = handle.work.run.id
        try:
            with run_span(handle.work):
                await self._execute(handle.work, handle)
        except asyncio.CancelledError:
            if not handle.fenced:
                await self._hand_over(handle)
        except Exception:
            log.exception("run.execution_died", run_id=str(run_id))  # reconciliation finds it

    def _ended(self, handle: Handle) -> None:
        """Forget an execution, also one that was cancelled before it began."""
        run_id = handle.work.run.id
        if self._handles.get(run_id) is handle:
            del self._handles[run_id]
            self._events.close(run_id)
            self.release(run_id)
        self.wake()

    async def _hand_over(self, handle: Handle) -> None:
        with suppress(Unavailable):
            await self._journal.hand_over(handle.work.lease)

    async def _beats(self) -> None:
        while True:
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(LEASE_S):
                    beat = await self._journal.beat(self.worker_id)
                self._term += not self.holds_lease()
                self._lease_until = began + LEASE_S
                self._leased.set()
                for listener in self._on_beat:
                    listener(beat)
                await self._reconcile(beat)
            except (Unavailable, TimeoutError) as error:
                log.warning("worker.beat_failed", error=str(error))
            except Exception:
                log.exception("worker.beat_died")
            await self._clock.sleep(BEAT_S)

    async def _reconcile(self, beat: Beat) -> None:
        """Bring what executes here and what the journal says is ours together; doubt twice first."""
        for run_id in beat.cancelled:
            self._cancel_here(run_id)
        for run_id, handle in self._handles.items():
            mine = beat.owned.get(run_id) == handle.work.lease.epoch
            handle.doubts = 0 if mine else handle.doubts + 1
            if handle.doubts == 2:
                log.warning("run.fenced", run_id=str(run_id))
                handle.fence()
        if self._draining:
            return  # what was not handed over is claimed by others when we have left
        lost = beat.owned.keys() - self._handles.keys() - self._awaited
        again, self._lost = lost & self._lost, lost
        for run_id in again:
            await self._claims.claim(1, run_id=run_id)
