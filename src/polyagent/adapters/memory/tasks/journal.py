"""Tasks as the workers see them, in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.documents.documents import close_document
from polyagent.adapters.memory.queue import EARLY_S
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.task_rows import TaskRow
from polyagent.adapters.memory.tasks.outbox import Outbox
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.caps import Caps
from polyagent.domain.queue import Entry
from polyagent.domain.task import CANCELLED, POISONED, WORKER_LOST, Ended, TaskWork
from polyagent.ports.clock import Clock

AWAY_S = 0.25
EARLY = timedelta(seconds=EARLY_S)


class MemoryTaskJournal:
    def __init__(self, state: State, clock: Clock, caps: Caps) -> None:
        self._state = state
        self._clock = clock
        self._caps = caps

    async def claim(
        self, worker_id: UUID, ids: Sequence[UUID], kinds: Sequence[str]
    ) -> tuple[Sequence[TaskWork], Sequence[Entry]]:
        rows = [self._state.tasks[id_] for id_ in dict.fromkeys(ids) if id_ in self._state.tasks]
        due = [row for row in rows if self._is_due(row)]
        mine = [row for row in due if row.asked.kind in kinds]
        works = []
        for row, has_room in zip(mine, self._room(mine), strict=True):
            if has_room:
                works.append(self._claimed(row, worker_id))
            else:
                self._put(replace(row, status="parked"))
        foreign = self._state.task_places([row for row in due if row not in mine])
        return works, [replace(entry, delay_s=AWAY_S) for entry in foreign]

    def _is_due(self, row: TaskRow) -> bool:
        return row.status == "queued" and row.due_at <= self._clock.now() + EARLY

    def _room(self, rows: Sequence[TaskRow]) -> Sequence[bool]:
        running = [row.load for row in self._state.tasks.values() if row.status == "running"]
        return self._caps.room(running, [row.load for row in rows])

    def _claimed(self, row: TaskRow, worker_id: UUID) -> TaskWork:
        now = self._clock.now()
        row = replace(
            row,
            status="running",
            attempt=row.attempt + 1,
            owner=worker_id,
            claimed_at=now,
            progress=None,
        )
        self._put(row)
        asked = row.asked
        return TaskWork(
            id=asked.id,
            kind=asked.kind,
            payload=asked.payload,
            attempt=row.attempt,
            spared=row.spared,
            max_attempts=asked.max_attempts,
            timeout_s=asked.timeout_s,
            workspace_id=row.workspace_id,
            user_id=asked.user_id,
            end_user=asked.end_user,
            actor=self._actor(row),
            cut_short=row.cut_short,
            traceparent=asked.traceparent,
            webhook_id=asked.webhook_id,
            waited_s=(now - max(row.created_at, row.due_at)).total_seconds(),
        )

    def _actor(self, row: TaskRow) -> Actor | None:
        account = self._state.accounts.get(row.asked.user_id)
        if account is None or account.user.status != "active":
            return None
        return Actor(row.asked.user_id, row.workspace_id, account.user.role).as_member

    async def claim_oldest(
        self, worker_id: UUID, limit: int, kinds: Sequence[str]
    ) -> Sequence[TaskWork]:
        rows = [row for row in self._by_seq() if self._is_due(row) and row.asked.kind in kinds]
        ids = [row.asked.id for row in rows[:limit]]
        works, _ = await self.claim(worker_id, ids, kinds)
        return works

    async def finish(self, ended: Sequence[Ended]) -> None:
        again: list[Entry] = []
        for end in ended:
            row = self._state.tasks.get(end.id)
            if row is None or row.attempt != end.attempt or row.status != "running":
                continue
            row = self._put(self._after(row, end))
            Outbox(self._state).task(row, self._clock.now())
            close_document(self._state, Undo(), row)
            if row.status == "queued":
                (entry,) = self._state.task_places([row])
                again.append(replace(entry, delay_s=end.delay_s))
        self._state.task_queue.offer(*again, head=True)
        self._release()

    def _after(self, row: TaskRow, end: Ended) -> TaskRow:
        now = self._clock.now()
        changes: dict[str, Any] = {
            "spared": row.spared + end.spared,
            "cut_short": row.cut_short or end.cut_short,
            "error": end.error,
        }
        if end.status == "queued" and row.cancel_at is None:
            return row.again(now, due_at=now + timedelta(seconds=end.delay_s), **changes)
        status = "cancelled" if end.status == "queued" else end.status
        return replace(
            row, status=status, owner=None, finished_at=now, result=end.result, **changes
        )

    async def progress(self, task_id: UUID, attempt: int, progress: Any) -> None:
        row = self._state.tasks.get(task_id)
        if row is not None and row.attempt == attempt and row.status == "running":
            self._put(replace(row, progress=progress))

    async def take_over(self, worker_id: UUID) -> int:
        lost = [row for row in self._by_seq() if self._is_lost(row, worker_id)]
        now = self._clock.now()
        rows = [self._put(_abandoned(row, now)) for row in lost]
        for row in rows:
            Outbox(self._state).task(row, now)
            close_document(self._state, Undo(), row)
        queued = [row for row in rows if row.status == "queued"]
        self._state.task_queue.offer(*self._state.task_places(queued), head=True)
        self._release()
        return len(lost)

    def _is_lost(self, row: TaskRow, worker_id: UUID) -> bool:
        if row.status != "running" or row.owner in (None, worker_id):
            return False
        lease_until = self._state.workers.get(row.owner, float("-inf")) if row.owner else 0.0
        return lease_until < self._clock.monotonic()

    def _release(self) -> None:
        parked = [row for row in self._by_seq() if row.status == "parked"]
        free = [row for row, has in zip(parked, self._room(parked), strict=True) if has]
        rows = [self._put(replace(row, status="queued")) for row in free]
        self._state.task_queue.offer(*self._state.task_places(rows), head=True)

    def _by_seq(self) -> Sequence[TaskRow]:
        return sorted(self._state.tasks.values(), key=lambda row: row.seq)

    def _put(self, row: TaskRow) -> TaskRow:
        self._state.tasks[row.asked.id] = row
        return row


class MemoryTaskBacklog:
    """What is due later is not lost here: the queue of one process ends with its rows."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def page(self, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        rows = self._state.tasks.values()
        queued = [row for row in rows if row.status == "queued" and row.seq > after]
        page = sorted(queued, key=lambda row: row.seq)[:limit]
        due = [row for row in page if row.due_at <= self._clock.now()]
        return self._state.task_places(due), page[-1].seq if len(page) == limit else 0

    async def depth(self) -> Mapping[str, int]:
        statuses: list[str] = [row.status for row in self._state.tasks.values()]
        return {status: statuses.count(status) for status in ("queued", "parked", "running")}


def _abandoned(row: TaskRow, now: datetime) -> TaskRow:
    """Return a row whose worker died: queued again while it may be tried, else given up."""
    may_retry = row.attempt - row.spared < row.asked.max_attempts
    error = WORKER_LOST if may_retry else POISONED
    if row.cancel_at is not None:
        return replace(
            row, status="cancelled", owner=None, cut_short=True, finished_at=now, error=CANCELLED
        )
    if may_retry:
        return row.again(now, due_at=now, cut_short=True, error=error)
    return replace(row, status="dead", owner=None, cut_short=True, finished_at=now, error=error)
