"""Tasks as those who ask for them see them, in memory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from polyagent.adapters.memory.documents.documents import close_document
from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.task_rows import TaskRow
from polyagent.adapters.memory.tasks.outbox import Outbox
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.errors import Conflict, NotFound, TaskFinished, TooManyOpen
from polyagent.domain.page import Page, PageAsk, cursor_of
from polyagent.domain.task import (
    CANCELLED,
    PAGE_BYTES,
    QUEUE_FULL,
    QUEUE_FULL_S,
    Task,
    TaskStats,
    TaskStatus,
    TaskToQueue,
)
from polyagent.ports.clock import Clock


class MemoryTasks:
    """`offers` is what waits now: for the queue, after the commit."""

    def __init__(
        self, state: State, undo: Undo, actor: Actor, clock: Clock, offers: list[TaskRow]
    ) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock
        self._offers = offers

    async def add(self, tasks: Sequence[TaskToQueue], *, most: int | None = None) -> Sequence[Task]:
        if most is not None:
            await self._require_room(tasks, most)
        return [self._add(task).told(self._clock.now()) for task in tasks]

    async def _require_room(self, tasks: Sequence[TaskToQueue], most: int) -> None:
        for user_id in {task.user_id for task in tasks}:
            waiting = await self.waiting(user_id)
            if waiting + sum(task.user_id == user_id for task in tasks) > most:
                raise TooManyOpen(QUEUE_FULL, retry_after_s=QUEUE_FULL_S)

    async def waiting(self, user_id: UUID) -> int:
        rows = (row for row in self._state.tasks.values() if row.asked.user_id == user_id)
        return sum(row.is_waiting and row.asked.webhook_id is None for row in rows)

    def _add(self, task: TaskToQueue) -> TaskRow:
        now = self._clock.now()
        row = TaskRow(
            seq=self._state.next_seq(),
            asked=task,
            workspace_id=self._actor.workspace_id,
            due_at=task.due_at or now,
            created_at=now,
        )
        if (live := self._live_under(row)) is not None:
            return live
        self._enqueue(row)
        return row

    def _enqueue(self, row: TaskRow) -> None:
        self._put(row)
        self._offers.append(row)

    def _live_under(self, new: TaskRow) -> TaskRow | None:
        """Return the live task that has the same unique key, or the one of the same instant."""
        if new.asked.fire_at is None:
            return self._live_key(new)
        rows = self._state.tasks.values()
        return next((row for row in rows if row.instant == new.instant), None)

    def _live_key(self, new: TaskRow) -> TaskRow | None:
        if new.asked.unique_key is None:
            return None
        rows = self._state.tasks.values()
        return next((row for row in rows if row.is_live and row.key == new.key), None)

    async def get(self, task_id: UUID) -> Task:
        return self._row(task_id).told(self._clock.now())

    async def list(
        self,
        page: PageAsk,
        *,
        status: TaskStatus | None = None,
        kind: str | None = None,
        end_user: str | None = None,
        webhook_id: UUID | None = None,
    ) -> Page[Task]:
        now = self._clock.now()
        found = (
            row.told(now)
            for row in self._visible()
            if status in (None, row.status_at(now))
            and kind in (None, row.asked.kind)
            and end_user in (None, row.asked.end_user)
            and webhook_id in (None, row.asked.webhook_id)
        )
        return _cut(paged(found, page, lambda task: task.id.int))

    async def cancel(self, task_id: UUID) -> Task:
        row, now = self._row(task_id), self._clock.now()
        if not row.is_live:
            if row.status != "cancelled":
                raise _finished(row)
            return row.told(now)
        row = replace(row, cancel_at=row.cancel_at or now)
        if row.is_waiting:
            row = replace(row, status="cancelled", error=CANCELLED, finished_at=now)
            Outbox(self._state, self._enqueue).task(row, now)
            close_document(self._state, self._undo, row)
        return self._put(row).told(now)

    async def retry(self, task_id: UUID) -> Task:
        row, now = self._row(task_id), self._clock.now()
        if row.status == "dead":
            row = self._revived(row, now)
        elif not row.is_live:
            raise _finished(row)
        return row.told(now)

    def _revived(self, row: TaskRow, now: datetime) -> TaskRow:
        if self._live_key(row) is not None:
            raise Conflict("A live task has its unique_key by now.")
        row = replace(
            row,
            attempts=row.all_attempts(),
            status="queued",
            due_at=now,
            spared=row.attempt,
            cut_short=False,
            claimed_at=None,
            cancel_at=None,
            finished_at=None,
            error=None,
            progress=None,
        )
        self._offers.append(row)
        return self._put(row)

    async def stats(self, since: datetime | None, until: datetime | None) -> Sequence[TaskStats]:
        now = self._clock.now()
        groups: defaultdict[tuple[str, TaskStatus], list[TaskRow]] = defaultdict(list)
        for row in self._visible():
            if (since is None or row.created_at >= since) and (
                until is None or row.created_at < until
            ):
                groups[row.asked.kind, row.status_at(now)].append(row)
        return [_stats(kind, status, rows) for (kind, status), rows in sorted(groups.items())]

    def _put(self, row: TaskRow) -> TaskRow:
        self._undo.put(self._state.tasks, row.asked.id, row)
        return row

    def _row(self, task_id: UUID) -> TaskRow:
        for row in self._visible():
            if row.asked.id == task_id:
                return row
        raise NotFound(f"There is no task {task_id}.")

    def _visible(self) -> Iterator[TaskRow]:
        for row in self._state.tasks.values():
            is_ours = row.workspace_id == self._actor.workspace_id
            if is_ours and (self._actor.is_admin or row.asked.user_id == self._actor.user_id):
                yield row


def _cut(page: Page[Task]) -> Page[Task]:
    """Return as much of a page as `PAGE_BYTES` hold, and at least one."""
    size = 0
    for n, task in enumerate(page.items, 1):
        size += len(msgspec.json.encode((task.payload, task.result)))
        if size >= PAGE_BYTES and n < len(page.items):
            return Page(items=page.items[:n], next_cursor=cursor_of(task.id))
    return page


def _stats(kind: str, status: TaskStatus, rows: Sequence[TaskRow]) -> TaskStats:
    run_s = [
        (row.finished_at - row.claimed_at).total_seconds()
        for row in rows
        if row.status in ("succeeded", "dead") and row.finished_at and row.claimed_at
    ]
    return TaskStats(
        kind=kind,
        status=status,
        count=len(rows),
        attempts=sum(row.attempt for row in rows),
        mean_run_s=sum(run_s) / len(run_s) if run_s else None,
    )


def _finished(row: TaskRow) -> TaskFinished:
    return TaskFinished(f"The task is {row.status} already.")
