"""Schedules: create, read, change, delete; pause, resume, and trigger by hand."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from polyagent.domain.account import Actor
from polyagent.domain.errors import Fault, KindUnknown
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.schedule import NewSchedule, Schedule, made, merged
from polyagent.domain.task import Task, TaskDefaults
from polyagent.ports.kinds import Kinds
from polyagent.ports.store import Store
from polyagent.usecases.audit import Audit
from polyagent.usecases.enqueueing import require_payload, to_queue


class ManageSchedules:
    def __init__(self, store: Store, kinds: Kinds, audit: Audit, defaults: TaskDefaults) -> None:
        self._store = store
        self._kinds = kinds
        self._audit = audit
        self._defaults = defaults

    async def create(self, actor: Actor, new: NewSchedule) -> Schedule:
        """Raises `CronInvalid`, `TimezoneUnknown`, `NameTaken`, `TooManyOpen`, and of its task what creating that raises."""
        actor.require("tasks:write")
        new = new.tidied()
        self._check(actor, new)
        async with self._store.begin(actor) as tx:
            now = await tx.schedules.now()
            schedule = made(
                new,
                id=new_id(),
                workspace_id=actor.workspace_id,
                user_id=actor.user_id,
                version=1,
                next_fire_at=new.next_after(now),
                created_at=now,
                updated_at=now,
            )
            await tx.schedules.add(schedule, most=self._defaults.schedules)
        return schedule.told()

    async def get(self, actor: Actor, schedule_id: UUID) -> Schedule:
        """Raises `NotFound`."""
        actor.require("tasks:read")
        async with self._store.begin(actor) as tx:
            schedule = await tx.schedules.get(schedule_id)
        await self._audit.seen_theirs(actor, "schedule.read", schedule.user_id, schedule_id)
        return schedule.told()

    async def list(self, actor: Actor, page: PageAsk) -> Page[Schedule]:
        actor.require("tasks:read")
        await self._audit.seen_list(actor, "schedule.read")
        async with self._store.begin(actor) as tx:
            found = await tx.schedules.list(page)
        return msgspec.structs.replace(found, items=[schedule.told() for schedule in found.items])

    async def replace(
        self, actor: Actor, schedule_id: UUID, new: NewSchedule, *, version: int | None
    ) -> Schedule:
        """Store `new` as the next version; `version` None: whatever it is now.

        Raises `PreconditionFailed`, `NotFound`, and as `create` does.
        """
        return await self._change(actor, schedule_id, lambda _: new, version)

    async def patch(
        self, actor: Actor, schedule_id: UUID, patch: dict[str, Any], *, version: int | None
    ) -> Schedule:
        """Apply an RFC 7396 merge patch. Raises `Invalid`, and as `replace` does."""
        return await self._change(actor, schedule_id, lambda now: merged(now, patch), version)

    async def turn(self, actor: Actor, schedule_id: UUID, *, on: bool) -> Schedule:
        """Resume it, from now on, or pause it; one that is so already stays as it is."""
        return await self._change(
            actor, schedule_id, lambda now: msgspec.structs.replace(now.ask(), enabled=on), None
        )

    async def _change(
        self,
        actor: Actor,
        schedule_id: UUID,
        changed: Callable[[Schedule], NewSchedule],
        version: int | None,
    ) -> Schedule:
        actor.require("tasks:write")
        async with self._store.begin(actor) as tx:
            before = await tx.schedules.get(schedule_id, to_change=True)
            new = changed(before).tidied()
            if new == before.ask() and version in (None, before.version):
                return before.told()
            self._check(actor, new)
            schedule = await tx.schedules.change(
                schedule_id,
                new,
                next_fire_at=before.next_of(new, await tx.schedules.now()),
                version=version,
            )
            await self._audit.note_theirs(
                tx, "schedule.changed", actor, before.user_id, object_id=schedule_id
            )
        return schedule.told()

    async def delete(self, actor: Actor, schedule_id: UUID, *, version: int | None) -> None:
        """Raises `NotFound`, `PreconditionFailed`."""
        actor.require("tasks:write")
        async with self._store.begin(actor) as tx:
            schedule = await tx.schedules.get(schedule_id, to_change=True)
            await tx.schedules.delete(schedule_id, version=version)
            await self._audit.note_theirs(
                tx, "schedule.deleted", actor, schedule.user_id, object_id=schedule_id
            )

    async def trigger(self, actor: Actor, schedule_id: UUID) -> Task:
        """Enqueue its task now, for its owner, paused or not; when it fires next stays as it is.

        Raises `NotFound`, `KindUnknown`, `TooManyOpen`.
        """
        actor.require("tasks:write")
        async with self._store.begin(actor) as tx:
            schedule = await tx.schedules.get(schedule_id)
            kind = self._kinds.get(schedule.task.kind)
            asked = to_queue(
                schedule.task, schedule.user_id, kind, self._defaults, schedule_id=schedule_id
            )
            (task,) = await tx.tasks.add([asked], most=self._defaults.queued_tasks)
            await self._audit.note_theirs(
                tx, "schedule.triggered", actor, schedule.user_id, object_id=schedule_id
            )
        return task

    def _check(self, actor: Actor, new: NewSchedule) -> None:
        try:
            kind = self._kinds.get(new.task.kind)
        except KindUnknown as error:
            error.faults = tuple(Fault("#/task/kind", fault.detail) for fault in error.faults)
            raise
        require_payload(kind, actor, new.task.payload, pointer="#/task/payload")
