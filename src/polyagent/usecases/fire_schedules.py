"""Firing what is due: every worker does this all the time, and each instant fires once."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from polyagent.domain.account import PERMISSIONS, Actor
from polyagent.domain.errors import CronInvalid, KindUnknown, TimezoneUnknown
from polyagent.domain.schedule import Due, Fired, Firing, Schedule
from polyagent.domain.task import TaskDefaults, TaskToQueue
from polyagent.ports.kinds import Kind, Kinds
from polyagent.ports.store import Store, Transaction
from polyagent.usecases.enqueueing import to_queue

PAGE = 50


class FireSchedules:
    def __init__(self, store: Store, kinds: Kinds, defaults: TaskDefaults) -> None:
        self._store = store
        self._kinds = kinds
        self._defaults = defaults

    async def __call__(self, system: Actor) -> Fired:
        """Fire each schedule of the workspace that is due, once through; what others are at is left to them.

        The tasks of a page of schedules, and when these fire next, are stored in one transaction.
        """
        fired, last = Fired(), None
        while True:
            async with self._store.begin(system) as tx:
                due = await tx.schedules.due(last, PAGE)
                if due:
                    page = await self._fire(tx, due)
                    fired = Fired(tasks=fired.tasks + page.tasks, broken=fired.broken + page.broken)
            if len(due) < PAGE:
                return fired
            last = due[-1].schedule

    async def _fire(self, tx: Transaction, due: Sequence[Due]) -> Fired:
        now = await tx.schedules.now()
        room = await self._room(tx, due)
        firings, tasks, broken = [], [], []
        for each in due:
            try:
                firing = _firing(each, now, room[each.schedule.user_id])
            except (CronInvalid, TimezoneUnknown):
                firing = Firing(id=each.schedule.id, instants=(), next_fire_at=None)
                broken.append(each.schedule.id)
            asked = [*self._tasks(each.schedule, firing)]
            room[each.schedule.user_id] -= len(asked)
            tasks += asked
            firings.append(firing)
        made = await tx.tasks.add(tasks) if tasks else ()
        last = {task.schedule_id: task.id for task in made}
        await tx.schedules.move([replace(f, last_task_id=last.get(f.id)) for f in firings])
        return Fired(tasks=len(made), broken=tuple(broken))

    async def _room(self, tx: Transaction, due: Sequence[Due]) -> dict[UUID, int]:
        """Return how many tasks each owner may have more: who has as many as may wait waits with the rest."""
        owners = sorted(
            {each.schedule.user_id for each in due}
        )  # all who hold several: in one order
        most = self._defaults.queued_tasks
        return {owner: most - await tx.tasks.waiting(owner) for owner in owners}

    def _tasks(self, schedule: Schedule, firing: Firing) -> Iterator[TaskToQueue]:
        kind = self._kind(schedule.task.kind)
        for at in firing.instants:
            yield to_queue(
                schedule.task,
                schedule.user_id,
                kind,
                self._defaults,
                schedule_id=schedule.id,
                fire_at=at,
            )

    def _kind(self, name: str) -> Kind | None:
        """Return None for a kind that other processes know."""
        try:
            return self._kinds.get(name)
        except KindUnknown:
            return None


def _firing(due: Due, now: datetime, room: int) -> Firing:
    if due.role is None or "tasks:write" not in PERMISSIONS[due.role]:
        return due.schedule.passes(now)
    return due.schedule.fires(now, room)
