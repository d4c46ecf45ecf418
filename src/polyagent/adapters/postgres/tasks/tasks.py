"""Tasks as those who ask for them see them, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy import RowMapping, text

from polyagent.adapters.postgres.page import page_of
from polyagent.adapters.postgres.pool import json_text
from polyagent.adapters.postgres.runs.rows import entry_of
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tasks import sql_tasks as sql
from polyagent.domain.account import Actor
from polyagent.domain.errors import Conflict, NotFound, TaskFinished, TooManyOpen
from polyagent.domain.page import Page, PageAsk, key_of
from polyagent.domain.queue import Entry, who
from polyagent.domain.task import (
    CANCELLED,
    QUEUE_FULL,
    QUEUE_FULL_S,
    Task,
    TaskStats,
    TaskStatus,
    TaskToQueue,
)

TRIES = 3

_task_of = msgspec.json.Decoder(Task).decode


class PostgresTasks:
    """`offers` are the places of what waits now: for the queue, after the commit."""

    def __init__(self, statements: Statements, actor: Actor, offers: list[Entry]) -> None:
        self._statements = statements
        self._workspace_id = actor.workspace_id
        self._offers = offers
        self._rights = {
            "workspace_id": actor.workspace_id,
            "is_admin": actor.is_admin,
            "user_id": actor.user_id,
        }

    async def add(self, tasks: Sequence[TaskToQueue], *, most: int | None = None) -> Sequence[Task]:
        if most is not None:
            await self._require_room(tasks, most)
        added = await self._add(tasks)
        return [added.get(task.id) or await self._live_or_new(task) for task in tasks]

    async def _add(self, tasks: Sequence[TaskToQueue]) -> Mapping[UUID, Task]:
        """Enqueue those whose unique key no live task has, and whose instant of a schedule none has."""
        rows = await self._all(sql.ADD, workspace_id=self._workspace_id, tasks=json_text(tasks))
        found = {row["id"]: row for row in rows}  # in no order
        added = [(task, found[task.id]) for task in tasks if task.id in found]
        self._offers += [_place(task, row) for task, row in added]
        return {task.id: self._added(task, row) for task, row in added}

    def _added(self, task: TaskToQueue, row: RowMapping) -> Task:
        return Task(
            id=task.id,
            workspace_id=self._workspace_id,
            user_id=task.user_id,
            end_user=task.end_user,
            kind=task.kind,
            status="scheduled" if row["is_later"] else "queued",
            priority=task.priority,
            payload=task.payload,
            unique_key=task.unique_key,
            schedule_id=task.schedule_id,
            fire_at=task.fire_at,
            max_attempts=task.max_attempts,
            timeout_s=task.timeout_s,
            next_attempt_at=row["due_at"],
            webhook_id=task.webhook_id,
            metadata=task.metadata,
            created_at=row["created_at"],
        )

    async def _require_room(self, tasks: Sequence[TaskToQueue], most: int) -> None:
        for user_id in {task.user_id for task in tasks}:
            if await self.waiting(user_id) + sum(task.user_id == user_id for task in tasks) > most:
                raise TooManyOpen(QUEUE_FULL, retry_after_s=QUEUE_FULL_S)

    async def waiting(self, user_id: UUID) -> int:
        (row,) = await self._all(sql.WAITING, user_id=user_id)
        count: int = row["count"]
        return count

    async def _live_or_new(self, task: TaskToQueue) -> Task:
        """Return the live task that has the key; where it has ended since, enqueue after all."""
        names = ("end_user", "unique_key", "user_id", "schedule_id", "fire_at")
        key = {name: getattr(task, name) for name in names}
        for _ in range(TRIES):
            rows = await self._all(sql.LIVE_UNDER, workspace_id=self._workspace_id, **key)
            if rows:
                return _task_of(rows[0]["task"])
            if added := await self._add([task]):
                return added[task.id]
        raise Conflict("Others begin and end tasks of this unique_key all the time: try again.")

    async def get(self, task_id: UUID) -> Task:
        rows = await self._all(sql.GET, **self._rights, id=task_id)
        if not rows:
            raise NotFound(f"There is no task {task_id}.")
        return _task_of(rows[0]["task"])

    async def list(
        self,
        page: PageAsk,
        *,
        status: TaskStatus | None = None,
        kind: str | None = None,
        end_user: str | None = None,
        webhook_id: UUID | None = None,
    ) -> Page[Task]:
        behind = None if page.cursor is None else UUID(int=key_of(page.cursor))
        asked = {"status": status, "kind": kind, "end_user": end_user, "webhook_id": webhook_id}
        which = {**self._rights, **asked, "behind": behind, "limit": page.limit + 1}
        rows = await self._all(sql.LIST[page.order], **which)
        held = sum(row["task"] is not None for row in rows)
        page = replace(page, limit=min(page.limit, held))
        return page_of(rows, page, lambda row: row["id"], lambda row: _task_of(row["task"]))

    async def cancel(self, task_id: UUID) -> Task:
        rows = await self._all(sql.CANCEL, **self._rights, id=task_id, error=json_text(CANCELLED))
        if rows:
            return _task_of(rows[0]["task"])
        task = await self.get(task_id)
        if task.status != "cancelled":
            raise _finished(task)
        return task

    async def retry(self, task_id: UUID) -> Task:
        rows = await self._all(sql.RETRY, **self._rights, id=task_id)
        for row in rows:
            self._offers.append(replace(entry_of(row["entry"]), delay_s=row["delay_s"]))
        task = await self.get(task_id)
        if not rows and not task.is_live:
            raise _finished(task)
        return task

    async def stats(self, since: datetime | None, until: datetime | None) -> Sequence[TaskStats]:
        rows = await self._all(sql.STATS, **self._rights, since=since, until=until)
        return [TaskStats(**row) for row in rows]

    async def _all(self, statement: str, **values: Any) -> Sequence[RowMapping]:
        return await self._statements.all(text(statement), values)


def _place(task: TaskToQueue, row: RowMapping) -> Entry:
    end_user = task.end_user if row["is_application"] else None
    return Entry(
        id=task.id,
        priority=task.priority,
        who=who(task.user_id, end_user),
        delay_s=max(0.0, row["delay_s"]),
    )


def _finished(task: Task) -> TaskFinished:
    return TaskFinished(f"The task is {task.status} already.")
