"""What a worker goes on from: runs that it holds, each read alone."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from polyagent.adapters.postgres.pool import Pool, json_text
from polyagent.adapters.postgres.runs.rows import entry_of, work_of
from polyagent.adapters.postgres.runs.sql_journal import FAIL, WORK
from polyagent.domain.run import UNREADABLE, Work
from polyagent.ports.queue import Queue

MAX_REASON = 300


async def read_works(
    pool: Pool, queue: Queue, worker_id: UUID | None, epochs: Mapping[UUID, int]
) -> list[Work]:
    """Return those of the runs that the worker holds under these epochs; one that cannot be read fails."""
    works: list[Work] = []
    for row in await pool.fetch(WORK, worker_id, [*epochs], [*epochs.values()]):
        try:
            works.append(work_of(row))
        except (msgspec.DecodeError, RecursionError) as error:
            await _fail(pool, queue, row, str(error)[:MAX_REASON])
    return works


async def _fail(pool: Pool, queue: Queue, row: asyncpg.Record, reason: str) -> None:
    error = json_text(replace(UNREADABLE, detail=f"{UNREADABLE.detail} ({reason})"))
    next_ = await pool.fetchval(FAIL, row["id"], row["epoch"], error)
    if next_ is not None:
        queue.offer(entry_of(next_))
