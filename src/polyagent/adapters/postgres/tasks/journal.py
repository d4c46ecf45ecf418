"""Tasks as the workers see them, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy
from msgspec.structs import replace

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.liveness import STALE_S
from polyagent.adapters.postgres.pool import Pool, json_text
from polyagent.adapters.postgres.runs.rows import entry_of
from polyagent.adapters.postgres.tasks import sql_journal as sql
from polyagent.domain.account import Actor
from polyagent.domain.caps import Caps
from polyagent.domain.queue import HELD_S, Entry
from polyagent.domain.task import POISONED, WORKER_LOST, Ended, TaskWork
from polyagent.ports.queue import Queue

AWAY_S = (0.25, HELD_S)
"""For how long a task is left to other processes: a tenth of what it has waited, within these bounds."""

RELEASED = 64

_payload_of = msgspec.json.Decoder(dict[str, Any]).decode


class PostgresTaskJournal:
    def __init__(self, pool: Pool, queue: Queue, caps: Caps) -> None:
        self._pool = pool
        self._queue = queue
        self._caps = caps

    async def claim(
        self, worker_id: UUID, ids: Sequence[UUID], kinds: Sequence[str]
    ) -> tuple[Sequence[TaskWork], Sequence[Entry]]:
        ids = [*dict.fromkeys(ids)]
        with translated():
            if self._caps:
                works = await self._claim_capped(worker_id, ids, kinds)
            else:
                works = _works(await self._pool.fetch(sql.CLAIM, worker_id, ids, kinds), ids)
            if len(works) == len(ids):
                return works, ()
            return works, await self._foreign(ids, kinds)

    async def _claim_capped(
        self, worker_id: UUID, ids: Sequence[UUID], kinds: Sequence[str]
    ) -> Sequence[TaskWork]:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.CAPS_LOCK)
            wanted = await connection.fetch(sql.WANTED, ids)
            mine = [row for row in wanted if row["kind"] in kinds]
            room = await self._room(connection, mine)
            over = [row["id"] for row, has_room in zip(mine, room, strict=True) if not has_room]
            if over:
                await connection.execute(sql.PARK, over)
            return _works(await connection.fetch(sql.CLAIM, worker_id, ids, kinds), ids)

    async def _room(
        self, connection: "PoolConnectionProxy[asyncpg.Record]", wanted: Sequence[asyncpg.Record]
    ) -> Sequence[bool]:
        running = await connection.fetch(sql.RUNNING)
        return self._caps.room(map(_load, running), [*map(_load, wanted)])

    async def _foreign(self, ids: Sequence[UUID], kinds: Sequence[str]) -> Sequence[Entry]:
        least, most = AWAY_S
        return [
            replace(entry_of(row["entry"]), delay_s=min(max(least, row["waited_s"] / 10), most))
            for row in await self._pool.fetch(sql.FOREIGN, ids, kinds)
        ]

    async def claim_oldest(
        self, worker_id: UUID, limit: int, kinds: Sequence[str]
    ) -> Sequence[TaskWork]:
        with translated():
            rows = await self._pool.fetch(sql.OLDEST, kinds, limit)
        works, _ = await self.claim(worker_id, [row["id"] for row in rows], kinds)
        return works

    async def finish(self, ended: Sequence[Ended]) -> None:
        with translated():
            again = await self._pool.fetch(sql.FINISH, *_columns(ended))
        if again:
            self._queue.offer(*map(_entry, again), head=True)
        if self._caps:
            await self._release()

    async def progress(self, task_id: UUID, attempt: int, progress: Any) -> None:
        with translated():
            await self._pool.execute(sql.PROGRESS, task_id, attempt, json_text(progress))

    async def take_over(self, worker_id: UUID) -> int:
        errors = (json_text(WORKER_LOST), json_text(POISONED))
        with translated():
            lost = await self._pool.fetch(sql.TAKE_OVER, worker_id, STALE_S, *errors)
        entries = [entry_of(row["entry"]) for row in lost if row["entry"] is not None]
        if entries:
            self._queue.offer(*entries, head=True)
        if self._caps:
            await self._release()
        return len(lost)

    async def _release(self) -> None:
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(sql.CAPS_LOCK)
                parked = await connection.fetch(sql.PARKED, RELEASED)
                room = await self._room(connection, parked) if parked else ()
                free = [row["id"] for row, has in zip(parked, room, strict=True) if has]
                released = await connection.fetch(sql.RELEASE, free) if free else ()
        if released:
            self._queue.offer(*(entry_of(row["entry"]) for row in released), head=True)


class PostgresTaskBacklog:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        with translated():
            rows = await self._pool.fetch(sql.BACKLOG, after, limit)
        entries = [replace(_entry(row), is_new=row["is_new"]) for row in rows]
        return entries, rows[-1]["seq"] if len(rows) == limit else 0

    async def depth(self) -> Mapping[str, int]:
        with translated():
            (row,) = await self._pool.fetch(sql.DEPTH)
        return dict(row.items())


def _load(row: asyncpg.Record) -> tuple[str, UUID]:
    return row["kind"], row["user_id"]


def _entry(row: asyncpg.Record) -> Entry:
    return replace(entry_of(row["entry"]), delay_s=row["delay_s"])


def _works(rows: Sequence[asyncpg.Record], ids: Sequence[UUID]) -> Sequence[TaskWork]:
    works = {row["id"]: _work(row) for row in rows}
    return [works[id_] for id_ in ids if id_ in works]


def _work(row: asyncpg.Record) -> TaskWork:
    columns = dict(row.items())
    role, payload = columns.pop("role"), _payload_of(columns.pop("payload"))
    actor = None if role is None else Actor(row["user_id"], row["workspace_id"], role).as_member
    return TaskWork(**columns, payload=payload, actor=actor)


def _columns(ended: Sequence[Ended]) -> Sequence[Sequence[Any]]:
    """Return what `FINISH` takes: a list for each field."""
    results = [None if end.status != "succeeded" else json_text(end.result) for end in ended]
    errors = [None if end.error is None else json_text(end.error) for end in ended]
    return (
        [end.id for end in ended],
        [end.attempt for end in ended],
        [end.status for end in ended],
        results,
        errors,
        [end.delay_s for end in ended],
        [end.spared for end in ended],
        [end.cut_short for end in ended],
    )
