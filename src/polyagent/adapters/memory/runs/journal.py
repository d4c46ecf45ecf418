"""The journal of runs in memory: for one process, whose workers may still come and go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.runs.ledger import Ledger
from polyagent.adapters.memory.state import CallRow, RunRow, State
from polyagent.adapters.memory.tasks.outbox import Outbox
from polyagent.domain.errors import Cancelled, Fenced, ToolInDoubt
from polyagent.domain.event import EPOCH, Event, EventBody, RunFailed, RunResumed, RunStarted
from polyagent.domain.run import FINAL, MAX_STALLS, POISONED, Beat, Lease, Run, StepRecord, Work
from polyagent.domain.tool import ToolResult
from polyagent.ports.clock import Clock

LEASE_S = 4.0
USER_RUNS = 20
SUMMARY_STEP = -1  # no step of the run: it has no calls


class MemoryJournal:
    def __init__(self, state: State, clock: Clock, *, user_runs: int = USER_RUNS) -> None:
        self._state = state
        self._clock = clock
        self._user_runs = user_runs
        self._ledger = Ledger(state)

    async def claim(
        self,
        worker_id: UUID,
        *,
        limit: int,
        dead_owners: bool,
        run_id: UUID | None = None,
        queued: Sequence[UUID] | None = None,
    ) -> list[Work]:
        rows = [row for row in self._state.runs.values() if run_id in (None, row.run.id)]
        rows.sort(key=lambda row: (-row.run.priority, row.seq))
        left = [row for row in rows if self._is_left(row, worker_id, dead_owners, run_id)]
        first = [row for row in rows if self._state.claimable(row)]
        if queued is not None:
            first = [row for row in first if row.run.id in queued]
        else:
            first = self._with_room(first)
        found = first if queued else (left + first)[:limit]
        claimed = [self._claimed(row, worker_id) for row in found]
        return [self._ledger.work(row, worker_id) for row in claimed if row.run.status == "running"]

    def _with_room(self, rows: Sequence[RunRow]) -> list[RunRow]:
        """Return as many of them as those whose they are may have executed."""
        running = (row for row in self._state.runs.values() if row.run.status == "running")
        executing = Counter(self._state.entry(row).who for row in running)
        found = []
        for row in rows:
            who = self._state.entry(row).who
            if executing[who] < self._user_runs:
                executing[who] += 1
                found.append(row)
        return found

    def _is_left(
        self, row: RunRow, worker_id: UUID, dead_owners: bool, run_id: UUID | None
    ) -> bool:
        if row.run.status == "waiting":
            return row.ready_at is not None
        if row.run.status != "running":
            return False
        if row.owner == worker_id:
            return run_id is not None
        return row.owner is None or (dead_owners and self._is_dead(row.owner))

    def _is_dead(self, worker_id: UUID) -> bool:
        return self._state.workers.get(worker_id, float("-inf")) < self._clock.monotonic()

    def _claimed(self, row: RunRow, worker_id: UUID) -> RunRow:
        """Give a run to a worker under a new epoch, or up if it stalled too often."""
        now = self._clock.now()
        is_stalled = row.run.status == "running" and row.owner is not None
        run = replace(
            row.run,
            status="running",
            position=None,
            started_at=row.run.started_at or now,
            attempt=row.run.attempt + is_stalled,
        )
        new = replace(
            row,
            run=run,
            owner=worker_id,
            epoch=row.epoch + 1,
            stalls=row.stalls + is_stalled,
            ready_at=None,
        )
        if new.stalls >= MAX_STALLS:
            return self._poisoned(new, now)
        self._ledger.put(new)
        self._ledger.tell(new, new.epoch * EPOCH + 1, now, _claim_told(row, run))
        if row.run.status == "queued":
            self._ledger.ask(new, now)
        return new

    def _poisoned(self, row: RunRow, now: datetime) -> RunRow:
        run = replace(row.run, status="failed", error=POISONED, finished_at=now)
        ended = replace(row, run=run, owner=None)
        failed = RunFailed(POISONED.code, POISONED.detail, POISONED.retryable)
        self._ledger.end(ended, row.epoch * EPOCH, now, failed)
        return ended

    async def commit_step(self, lease: Lease, record: StepRecord) -> bool:
        if record.events and self._has(record.events[-1]):
            return self._is_cancelled(lease)
        row = self._held(lease)
        now = self._clock.now()
        is_final = record.status in FINAL
        run = replace(
            row.run,
            step=record.step,
            status=record.status,
            usage=record.usage,
            error=record.error,
            attempt=row.run.attempt + record.retried,
            finished_at=now if is_final else None,
        )
        left = replace(
            row,
            run=run,
            stalls=0 if record.step > row.run.step else row.stalls,
            owner=row.owner if record.status == "running" else None,
        )
        self._ledger.put(left)
        if record.status != "running":
            Outbox(self._state).run(left, now)
        if record.message is not None:
            self._ledger.say(row, record.step, record.message, now)
        if record.summary is not None:
            self._ledger.say(row, SUMMARY_STEP, record.summary, now, covers=record.covers)
        calls = self._state.calls[run.id]
        calls.extend(CallRow(step=record.step, call=call) for call in record.calls)
        if is_final:
            self._state.calls[run.id] = self._ledger.dropped(run.id)
        self._ledger.write(row, record.events)
        if is_final:
            self._state.offer_next(run.session_id)
        return self._is_cancelled(lease)

    async def start_call(self, lease: Lease, call_id: str) -> int:
        row = self._held(lease)
        if row.cancel_at is not None:
            raise Cancelled("The run is to be cancelled.")
        n, call = self._call(lease, call_id)
        if call.call.state == "started" and call.epoch == lease.epoch:
            return call.attempts
        if not call.call.is_open:
            raise _fenced(lease)
        if call.call.state == "started" and call.call.effect == "once":
            raise ToolInDoubt(
                "A process that is gone began this call; nobody knows what came of it."
            )
        self._state.calls[lease.run_id][n] = replace(
            call,
            call=replace(call.call, state="started"),
            attempts=call.attempts + 1,
            epoch=lease.epoch,
        )
        return call.attempts + 1

    async def finish_call(
        self, lease: Lease, call_id: str, result: ToolResult, event: Event
    ) -> bool:
        if self._has(event):
            return self._is_cancelled(lease)
        self._held(lease)
        n, row = self._call(lease, call_id)
        if not row.call.is_open:
            raise _fenced(lease)
        call = replace(row.call, state=result.state, result=result.result, error=result.error)
        self._state.calls[lease.run_id][n] = replace(row, call=call, epoch=lease.epoch)
        self._state.events[lease.run_id].append(event)
        return self._is_cancelled(lease)

    async def hand_over(self, lease: Lease) -> None:
        row = self._state.runs.get(lease.run_id)
        if row is not None and row.epoch == lease.epoch and row.run.status == "running":
            self._ledger.put(replace(row, owner=None))

    async def beat(self, worker_id: UUID) -> Beat:
        self._state.workers[worker_id] = self._clock.monotonic() + LEASE_S
        owned = [*self._owned(worker_id)]
        rows = self._state.tasks.values()
        tasks = [row for row in rows if row.owner == worker_id and row.status == "running"]
        return Beat(
            owned={row.run.id: row.epoch for row in owned},
            cancelled=frozenset(row.run.id for row in owned if row.cancel_at is not None),
            tasks={row.asked.id: row.attempt for row in tasks},
            cancelled_tasks=frozenset(row.asked.id for row in tasks if row.cancel_at is not None),
        )

    async def may_judge(self) -> bool:
        return True

    async def leave(self, worker_id: UUID) -> None:
        self._state.workers.pop(worker_id, None)

    def _owned(self, worker_id: UUID) -> Iterator[RunRow]:
        rows = self._state.runs.values()
        return (row for row in rows if row.owner == worker_id and row.run.status == "running")

    def _held(self, lease: Lease) -> RunRow:
        row = self._state.runs.get(lease.run_id)
        if row is None or row.epoch != lease.epoch or row.run.status != "running":
            raise _fenced(lease)
        return row

    def _call(self, lease: Lease, call_id: str) -> tuple[int, CallRow]:
        for n, row in enumerate(self._state.calls[lease.run_id]):
            if row.call.id == call_id:
                return n, row
        raise _fenced(lease)

    def _has(self, event: Event) -> bool:
        return any(written.id == event.id for written in self._state.events[event.run_id])

    def _is_cancelled(self, lease: Lease) -> bool:
        return self._state.runs[lease.run_id].cancel_at is not None


def _claim_told(old: RunRow, run: Run) -> EventBody:
    if old.run.status == "queued":
        return RunStarted(run.agent_id, run.agent_version, run.attempt)
    if old.run.status == "waiting":
        return RunResumed(run.attempt, "decision")
    reason: Literal["handover", "takeover"] = "handover" if old.owner is None else "takeover"
    return RunResumed(run.attempt, reason, run.step + 1)


def _fenced(lease: Lease) -> Fenced:
    return Fenced(f"Run {lease.run_id} is no longer executed under epoch {lease.epoch}.")
