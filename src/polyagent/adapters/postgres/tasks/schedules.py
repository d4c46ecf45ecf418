"""Schedules, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import asdict
from sqlalchemy import RowMapping, and_, delete, func, insert, or_, select, text, true, update

from polyagent.adapters.postgres.page import by_id, page_of
from polyagent.adapters.postgres.pool import json_text
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tables import UserRow as U
from polyagent.adapters.postgres.tasks.room import SCHEDULES, require_room
from polyagent.adapters.postgres.tasks.schedule_table import ScheduleRow as S
from polyagent.domain.account import Actor
from polyagent.domain.errors import NotFound, PreconditionFailed
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.schedule import Due, Firing, NewSchedule, Schedule
from polyagent.domain.task import TaskAsk

_task_of = msgspec.json.Decoder(TaskAsk).decode


_MOVE = text("""
UPDATE schedules s SET
    next_fire_at = m.next_fire_at,
    last_fire_at = coalesce(m.last_fire_at, s.last_fire_at),
    last_task_id = coalesce(m.last_task_id, s.last_task_id)
FROM json_to_recordset(CAST(:moves AS json)) AS m(
    id uuid, next_fire_at timestamptz, last_fire_at timestamptz, last_task_id uuid
)
WHERE s.id = m.id
""")


class PostgresSchedules:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._ours = S.workspace_id == actor.workspace_id
        self._visible = and_(self._ours, true() if actor.is_admin else S.user_id == actor.user_id)

    async def now(self) -> datetime:
        (row,) = await self._statements.all(select(func.now().label("now")))
        now: datetime = row["now"]
        return now

    async def add(self, schedule: Schedule, *, most: int | None = None) -> None:
        if most is not None:
            owner = schedule.user_id
            await require_room(self._statements, SCHEDULES, S.user_id, owner, most, "schedules")
        row = {f: getattr(schedule, f) for f in Schedule.__struct_fields__ if f != "next_fires"}
        await self._statements.run(insert(S).values(row))

    async def get(self, schedule_id: UUID, *, to_change: bool = False) -> Schedule:
        found = _SELECT.where(self._visible, S.id == schedule_id)
        row = await self._statements.first(found.with_for_update() if to_change else found)
        if row is None:
            raise NotFound(f"There is no schedule {schedule_id}.")
        return _schedule(row)

    async def list(self, page: PageAsk) -> Page[Schedule]:
        rows = await self._statements.all(by_id(_SELECT.where(self._visible), S.id, page))
        return page_of(rows, page, lambda row: row["id"], _schedule)

    async def change(
        self,
        schedule_id: UUID,
        ask: NewSchedule,
        *,
        next_fire_at: datetime | None,
        version: int | None,
    ) -> Schedule:
        values = {"next_fire_at": next_fire_at, "version": S.version + 1, "updated_at": func.now()}
        which = self._at_version(schedule_id, version)
        changed = update(S).where(which).values({**asdict(ask), **values}).returning(*_COLUMNS)
        row = await self._statements.first(changed)
        if row is None:
            raise await self._refusal(schedule_id, version)
        return _schedule(row)

    async def delete(self, schedule_id: UUID, *, version: int | None) -> None:
        gone = delete(S).where(self._at_version(schedule_id, version)).returning(S.id)
        if await self._statements.first(gone) is None:
            raise await self._refusal(schedule_id, version)

    async def due(self, after: Schedule | None, limit: int) -> Sequence[Due]:
        found = (
            select(*_COLUMNS, U.role)
            .outerjoin(U, and_(U.id == S.user_id, U.status == "active"))
            .where(self._ours, S.next_fire_at <= func.now())
            .order_by(S.next_fire_at, S.id)
            .limit(limit)
            .with_for_update(of=S, skip_locked=True)
        )
        if after is not None:
            at = after.next_fire_at
            found = found.where(
                or_(S.next_fire_at > at, and_(S.next_fire_at == at, S.id > after.id))
            )
        return [
            Due(schedule=_schedule(row), role=row["role"])
            for row in await self._statements.all(found)
        ]

    async def move(self, firings: Sequence[Firing]) -> None:
        moves = [
            {
                "id": firing.id,
                "next_fire_at": firing.next_fire_at,
                "last_fire_at": firing.instants[-1] if firing.instants else None,
                "last_task_id": firing.last_task_id,
            }
            for firing in firings
        ]
        moved = _MOVE.bindparams(moves=json_text(moves))
        await self._statements.run(moved)

    def _at_version(self, schedule_id: UUID, version: int | None) -> Any:
        at = true() if version is None else S.version == version
        return and_(self._visible, S.id == schedule_id, at)

    async def _refusal(self, schedule_id: UUID, version: int | None) -> Exception:
        """Say why no row was changed. Raises `NotFound`."""
        now = await self.get(schedule_id)
        return PreconditionFailed(f"The schedule is at version {now.version}, not {version}.")


_COLUMNS = tuple(getattr(S, f) for f in Schedule.__struct_fields__ if f != "next_fires")
_SELECT = select(*_COLUMNS)


def _schedule(row: RowMapping) -> Schedule:
    columns = {field: row[field] for field in Schedule.__struct_fields__ if field != "next_fires"}
    return Schedule(**columns | {"task": _task_of(row["task"])})
