"""The journal of runs: what their executors write, each write guarded by the lease's epoch."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.liveness import STALE_S, Liveness
from polyagent.adapters.postgres.pool import Pool
from polyagent.adapters.postgres.runs import sql_claims
from polyagent.adapters.postgres.runs import sql_journal as sql
from polyagent.adapters.postgres.runs.rows import entry_of
from polyagent.adapters.postgres.runs.works import read_works
from polyagent.domain.errors import Cancelled, Fenced, ToolInDoubt
from polyagent.domain.event import Event
from polyagent.domain.run import MAX_STALLS, POISONED, Beat, Lease, StepRecord, Work
from polyagent.domain.tool import ToolResult
from polyagent.ports.queue import Queue

CLAIM_TRIES = 3

_ENCODE = msgspec.json.Encoder().encode


class PostgresJournal:
    def __init__(self, pool: Pool, liveness: Liveness, queue: Queue, *, user_runs: int) -> None:
        self._pool = pool
        self._liveness = liveness
        self._queue = queue
        self._user_runs = user_runs

    async def claim(
        self,
        worker_id: UUID,
        *,
        limit: int,
        dead_owners: bool,
        run_id: UUID | None = None,
        queued: Sequence[UUID] | None = None,
    ) -> list[Work]:
        found = (limit, run_id, dead_owners, STALE_S)
        with translated():
            if queued:
                claimed = await self._claim(sql_claims.CLAIM_QUEUED, worker_id, queued)
            elif queued is None:
                claimed = await self._claim(sql_claims.CLAIM, worker_id, *found, self._user_runs)
            else:
                claimed = await self._claim(sql_claims.CLAIM_LEFT_BEHIND, worker_id, *found)
            if not claimed:
                return []
            epochs = {row["id"]: row["epoch"] for row in claimed}
            return await read_works(self._pool, self._queue, worker_id, epochs)

    async def _claim(
        self, statement: str, worker_id: UUID, *found: object
    ) -> Sequence[asyncpg.Record]:
        poisoned = _ENCODE(POISONED).decode()
        for _ in range(CLAIM_TRIES):
            try:
                return await self._pool.fetch(statement, worker_id, MAX_STALLS, poisoned, *found)
            except asyncpg.UniqueViolationError:
                continue  # a session that was free when we looked was entered: look again
        return []

    async def commit_step(self, lease: Lease, record: StepRecord) -> bool:
        values = (lease.run_id, lease.epoch, _ENCODE(record).decode())
        written = await self._write_once(lease, record.events, sql.COMMIT_STEP, *values)
        if written["next"] is not None:
            self._queue.offer(entry_of(written["next"]))
        return bool(written["is_cancelled"])

    async def start_call(self, lease: Lease, call_id: str) -> int:
        call = (lease.run_id, lease.epoch, call_id)
        with translated():
            attempt = await self._pool.fetchval(sql.START_CALL, *call)
            if attempt is None:
                return _started_before(lease, await self._pool.fetchrow(sql.CALL_AS_IT_IS, *call))
            return int(attempt)

    async def finish_call(
        self, lease: Lease, call_id: str, result: ToolResult, event: Event
    ) -> bool:
        told = (_ENCODE(result).decode(), _ENCODE(event).decode())
        values = (lease.run_id, lease.epoch, call_id, *told)
        written = await self._write_once(lease, (event,), sql.FINISH_CALL, *values)
        return bool(written["is_cancelled"])

    async def _write_once(
        self, lease: Lease, events: Sequence[Event], statement: str, *values: object
    ) -> asyncpg.Record:
        """Write under the lease; what was refused may have been written by it before.

        Only one executor ever writes under an epoch, so an event of ours is proof.
        """
        refusal: Exception = _fenced(lease)
        with translated():
            try:
                written = await self._pool.fetchrow(statement, *values)
            except asyncpg.UniqueViolationError as error:
                written, refusal = None, error
            if written is None and events:
                last = events[-1].id
                written = await self._pool.fetchrow(sql.WRITTEN_BEFORE, lease.run_id, last)
            if written is None:
                raise refusal
        return written

    async def hand_over(self, lease: Lease) -> None:
        with translated():
            await self._pool.execute(sql.HAND_OVER, lease.run_id, lease.epoch)

    async def beat(self, worker_id: UUID) -> Beat:
        return await self._liveness.beat(worker_id)

    async def may_judge(self) -> bool:
        return self._liveness.is_old_enough()

    async def leave(self, worker_id: UUID) -> None:
        await self._liveness.leave(worker_id)


def _started_before(lease: Lease, row: asyncpg.Record | None) -> int:
    if row is None:
        raise _fenced(lease)
    if row["is_cancelled"]:
        raise Cancelled("The run is to be cancelled.")
    if row["state"] == "started" and row["epoch"] == lease.epoch:
        return int(row["attempts"])
    if row["state"] == "started":
        raise ToolInDoubt("A process that is gone began this call; nobody knows what came of it.")
    raise _fenced(lease)


def _fenced(lease: Lease) -> Fenced:
    return Fenced(f"Run {lease.run_id} is no longer executed under epoch {lease.epoch}.")
