"""What the ends of runs and tasks enqueue for webhooks, in memory."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from polyagent.adapters.memory.state import RunRow, State
from polyagent.adapters.memory.task_rows import TaskRow
from polyagent.domain.ids import new_id
from polyagent.domain.task import TaskToQueue
from polyagent.domain.webhook import (
    ATTEMPT_S,
    KIND,
    MAX_ATTEMPTS,
    told_of_run,
    told_of_task,
)

Put = Callable[[TaskRow], object]


class Outbox:
    """`put` stores a delivery, in whatever transaction; by default there is none, and it may begin."""

    def __init__(self, state: State, put: Put | None = None) -> None:
        self._state = state
        self._put = put or self._enqueue

    def run(self, row: RunRow, at: datetime) -> None:
        told = told_of_run(row.run, end_user=row.end_user)
        self._tell(row.user_id, f"run.{row.run.status}", told, at)

    def task(self, row: TaskRow, at: datetime) -> None:
        if row.asked.kind != KIND and not row.is_live:
            self._tell(row.asked.user_id, f"task.{row.status}", told_of_task(row.told(at)), at)

    def _tell(self, user_id: UUID, event: str, told: dict[str, Any], at: datetime) -> None:
        for hook in self._state.webhooks.values():
            if hook.webhook.user_id == user_id and hook.webhook.hears(event):
                payload = {"type": event, "timestamp": at, "data": told}
                asked = TaskToQueue(
                    id=new_id(),
                    user_id=user_id,
                    kind=KIND,
                    payload=msgspec.to_builtins(payload),
                    max_attempts=MAX_ATTEMPTS,
                    timeout_s=ATTEMPT_S,
                    webhook_id=hook.webhook.id,
                )
                self._put(
                    TaskRow(
                        seq=self._state.next_seq(),
                        asked=asked,
                        workspace_id=hook.workspace_id,
                        due_at=at,
                        created_at=at,
                    )
                )

    def _enqueue(self, row: TaskRow) -> None:
        self._state.tasks[row.asked.id] = row
        self._state.task_queue.offer(*self._state.task_places([row]))
