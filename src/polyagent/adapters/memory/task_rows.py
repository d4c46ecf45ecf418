"""The tasks of one process: rows, and what both sides of them need."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from polyagent.domain.queue import Entry, who
from polyagent.domain.task import Attempt, Task, TaskError, TaskStatus, TaskToQueue

Stored = Literal["queued", "parked", "running", "succeeded", "dead", "cancelled"]


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """`attempts` are those before the one that the row itself tells of."""

    seq: int
    asked: TaskToQueue
    workspace_id: UUID
    status: Stored = "queued"
    attempt: int = 0
    spared: int = 0
    due_at: datetime
    owner: UUID | None = None
    claimed_at: datetime | None = None
    cancel_at: datetime | None = None
    cut_short: bool = False
    progress: Any = None
    result: Any = None
    error: TaskError | None = None
    attempts: tuple[Attempt, ...] = ()
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def is_waiting(self) -> bool:
        return self.status in ("queued", "parked")

    @property
    def is_live(self) -> bool:
        return self.is_waiting or self.status == "running"

    @property
    def load(self) -> tuple[str, UUID]:
        return self.asked.kind, self.asked.user_id

    @property
    def key(self) -> tuple[UUID, UUID, str, str | None]:
        asked = self.asked
        return self.workspace_id, asked.user_id, asked.end_user or "", asked.unique_key

    @property
    def instant(self) -> tuple[UUID | None, datetime | None]:
        return self.asked.schedule_id, self.asked.fire_at

    def status_at(self, now: datetime) -> TaskStatus:
        if self.status == "parked":
            return "queued"
        if self.status == "queued" and self.due_at > now:
            return "scheduled" if self.attempt == self.spared else "retrying"
        return self.status

    def told(self, now: datetime) -> Task:
        asked = self.asked
        return Task(
            id=asked.id,
            workspace_id=self.workspace_id,
            user_id=asked.user_id,
            end_user=asked.end_user,
            kind=asked.kind,
            status=self.status_at(now),
            priority=asked.priority,
            payload=asked.payload,
            unique_key=asked.unique_key,
            schedule_id=asked.schedule_id,
            fire_at=asked.fire_at,
            max_attempts=asked.max_attempts,
            timeout_s=asked.timeout_s,
            progress=self.progress,
            result=self.result,
            error=self.error,
            attempts=self.all_attempts(),
            next_attempt_at=self.due_at if self.is_waiting else None,
            webhook_id=asked.webhook_id,
            metadata=asked.metadata,
            created_at=self.created_at,
            finished_at=self.finished_at,
        )

    def all_attempts(self) -> tuple[Attempt, ...]:
        last = self.attempts[-1].number if self.attempts else 0
        if self.claimed_at is None or last == self.attempt:
            return self.attempts
        own = Attempt(
            number=self.attempt,
            started_at=self.claimed_at,
            finished_at=self.finished_at,
            error=self.error,
        )
        return (*self.attempts, own)

    def again(self, now: datetime, **changes: Any) -> "TaskRow":
        """Return the row queued, with the attempt that it told of behind it."""
        row = replace(self, finished_at=now, **changes)
        return replace(
            row, status="queued", owner=None, attempts=row.all_attempts(), finished_at=None
        )


def places(rows: Iterable[TaskRow], applications: frozenset[UUID]) -> list[Entry]:
    """Return the places of tasks in the queue; the end users of an application take turns of their own."""
    return [
        Entry(
            id=row.asked.id,
            priority=row.asked.priority,
            who=who(
                row.asked.user_id,
                row.asked.end_user if row.asked.user_id in applications else None,
            ),
        )
        for row in rows
    ]
