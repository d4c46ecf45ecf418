"""Schedules, in memory."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import asdict, replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor, Role
from polyagent.domain.errors import NameTaken, NotFound, PreconditionFailed, TooManyOpen
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.schedule import Due, Firing, NewSchedule, Schedule
from polyagent.ports.clock import Clock


class MemorySchedules:
    def __init__(self, state: State, undo: Undo, actor: Actor, clock: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock

    async def now(self) -> datetime:
        return self._clock.now()

    async def add(self, schedule: Schedule, *, most: int | None = None) -> None:
        self._require_free(schedule)
        theirs = [s for s in self._state.schedules.values() if s.user_id == schedule.user_id]
        if most is not None and len(theirs) >= most:
            raise TooManyOpen(f"A user has at most {most} schedules: delete one first.")
        self._put(schedule)

    async def get(self, schedule_id: UUID, *, to_change: bool = False) -> Schedule:
        schedule = self._state.schedules.get(schedule_id)
        if schedule is None or not self._sees(schedule):
            raise NotFound(f"There is no schedule {schedule_id}.")
        return schedule

    async def list(self, page: PageAsk) -> Page[Schedule]:
        return paged(
            filter(self._sees, self._state.schedules.values()), page, lambda row: row.id.int
        )

    async def change(
        self,
        schedule_id: UUID,
        ask: NewSchedule,
        *,
        next_fire_at: datetime | None,
        version: int | None,
    ) -> Schedule:
        now = await self._at_version(schedule_id, version)
        changes = asdict(ask) | {"next_fire_at": next_fire_at, "version": now.version + 1}
        changed = replace(now, **changes, updated_at=self._clock.now())
        self._require_free(changed)
        self._put(changed)
        return changed

    async def delete(self, schedule_id: UUID, *, version: int | None) -> None:
        await self._at_version(schedule_id, version)
        self._undo.remove(self._state.schedules, schedule_id)

    async def due(self, after: Schedule | None, limit: int) -> Sequence[Due]:
        behind = None if after is None else (after.next_fire_at, after.id)
        places = [(row.next_fire_at, row.id, row) for row in self._due()]
        rows = [row for *place, row in sorted(places) if behind is None or tuple(place) > behind]
        return [Due(schedule=row, role=self._role(row.user_id)) for row in rows[:limit]]

    async def move(self, firings: Sequence[Firing]) -> None:
        for firing in firings:
            row = replace(self._state.schedules[firing.id], next_fire_at=firing.next_fire_at)
            if firing.instants:
                fired = {"last_fire_at": firing.instants[-1], "last_task_id": firing.last_task_id}
                row = replace(row, **fired)
            self._put(row)

    def _due(self) -> Iterator[Schedule]:
        now = self._clock.now()
        for row in self._state.schedules.values():
            is_ours = row.workspace_id == self._actor.workspace_id
            if is_ours and row.next_fire_at is not None and row.next_fire_at <= now:
                yield row

    def _role(self, user_id: UUID) -> Role | None:
        account = self._state.accounts.get(user_id)
        return account.user.role if account and account.user.status == "active" else None

    def _sees(self, schedule: Schedule) -> bool:
        is_ours = schedule.workspace_id == self._actor.workspace_id
        return is_ours and (self._actor.is_admin or schedule.user_id == self._actor.user_id)

    async def _at_version(self, schedule_id: UUID, version: int | None) -> Schedule:
        now = await self.get(schedule_id)
        if version not in (None, now.version):
            raise PreconditionFailed(f"The schedule is at version {now.version}, not {version}.")
        return now

    def _require_free(self, schedule: Schedule) -> None:
        for other in self._state.schedules.values():
            theirs = (other.workspace_id, other.user_id, other.name)
            mine = (schedule.workspace_id, schedule.user_id, schedule.name)
            if theirs == mine and other.id != schedule.id:
                raise NameTaken(f"Its owner has another schedule named {schedule.name}.")

    def _put(self, schedule: Schedule) -> None:
        self._undo.put(self._state.schedules, schedule.id, schedule)
