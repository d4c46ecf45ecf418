"""Tasks: enqueued, read, listed, cancelled, tried again."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from polyagent.domain.account import Actor
from polyagent.domain.audit import Action
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import (
    NewTask,
    Task,
    TaskDefaults,
    TaskStats,
    TaskStatus,
    TaskToQueue,
)
from polyagent.ports.clock import Clock
from polyagent.ports.executor import Executor
from polyagent.ports.kinds import Kind, Kinds
from polyagent.ports.signals import Signals
from polyagent.ports.store import Store, Transaction
from polyagent.usecases.audit import Audit
from polyagent.usecases.enqueueing import require_payload, to_queue


class ManageTasks:
    def __init__(
        self,
        store: Store,
        kinds: Kinds,
        clock: Clock,
        signals: Signals,
        audit: Audit,
        executor: Executor,
        defaults: TaskDefaults,
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock
        self._signals = signals
        self._audit = audit
        self._executor = executor
        self._defaults = defaults

    async def create(self, actor: Actor, new: NewTask) -> tuple[Task, bool]:
        """Return the task, and whether it is new: a live one may have its `unique_key`.

        Raises `KindUnknown`, what its kind finds wrong with the payload, and `TooManyOpen`.
        """
        actor.require("tasks:write")
        kind = self._kinds.get(new.kind)
        require_payload(kind, actor, new.payload)
        asked = self._to_queue(actor, new, kind)
        async with self._store.begin(actor) as tx:
            (task,) = await tx.tasks.add([asked], most=self._defaults.queued_tasks)
        return task, task.id == asked.id

    def _to_queue(self, actor: Actor, new: NewTask, kind: Kind) -> TaskToQueue:
        is_later = new.run_at is not None or new.delay_s is not None
        return msgspec.structs.replace(
            to_queue(new, actor.user_id, kind, self._defaults),
            due_at=new.due_at(self._clock.now()) if is_later else None,
            unique_key=new.unique_key,
            traceparent=self._executor.traceparent(),
        )

    async def get(self, actor: Actor, task_id: UUID) -> Task:
        """Raises `NotFound`."""
        actor.require("tasks:read")
        async with self._store.begin(actor) as tx:
            task = await tx.tasks.get(task_id)
        await self._audit.seen_theirs(actor, "task.read", task.user_id, task_id)
        return task

    async def list(
        self,
        actor: Actor,
        page: PageAsk,
        *,
        status: TaskStatus | None = None,
        kind: str | None = None,
        end_user: str | None = None,
    ) -> Page[Task]:
        actor.require("tasks:read")
        await self._audit.seen_list(actor, "task.read")
        async with self._store.begin(actor) as tx:
            return await tx.tasks.list(page, status=status, kind=kind, end_user=end_user)

    async def cancel(self, actor: Actor, task_id: UUID) -> Task:
        """Raises `TaskFinished`, `NotFound`."""
        actor.require("tasks:write")
        async with self._store.begin(actor) as tx:
            task = await tx.tasks.cancel(task_id)
            await self._note(tx, "task.cancelled", actor, task)
        if task.status == "running":
            self._signals.cancelled(task_id)
        return task

    async def retry(self, actor: Actor, task_id: UUID) -> Task:
        """Try a dead task again. Raises `TaskFinished`, `NotFound`, `Conflict`."""
        actor.require("tasks:write")
        async with self._store.begin(actor) as tx:
            task = await tx.tasks.retry(task_id)
            await self._note(tx, "task.retried", actor, task)
        return task

    async def _note(self, tx: Transaction, action: Action, actor: Actor, task: Task) -> None:
        await self._audit.note_theirs(tx, action, actor, task.user_id, object_id=task.id)

    async def stats(
        self, actor: Actor, since: datetime | None, until: datetime | None
    ) -> Sequence[TaskStats]:
        actor.require("tasks:read")
        await self._audit.seen_list(actor, "usage.read")
        async with self._store.begin(actor) as tx:
            return await tx.tasks.stats(since, until)
