"""Showing that this process lives: a row that is renewed, and a lock that dies with its connection."""

import os
import socket
from uuid import UUID

import asyncpg
import msgspec

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool, connect_args
from polyagent.domain.run import Beat
from polyagent.ports.clock import Clock
from polyagent.settings import Database

LEASE_S = 4.0
STALE_S = 1.25
ANSWER_S = 2.0
SWEEP_EVERY = 1000
NO_LOCK = 0

# 1 worker, 2 lock, 3 pid, 4 host, 5 lease in seconds
BEAT = """
WITH w AS (
    INSERT INTO workers AS w (id, lock_id, pid, host, beat_at, lease_until)
    VALUES ($1, $2, $3, $4, now(), now() + make_interval(secs => $5))
    ON CONFLICT (id) DO UPDATE SET
        lock_id = excluded.lock_id, beat_at = excluded.beat_at, lease_until = excluded.lease_until
)
SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS server_age_s, (
    SELECT coalesce(json_agg(json_build_object(
        'id', id, 'epoch', epoch, 'is_cancelled', cancel_at IS NOT NULL
    )), '[]')::text
    FROM runs WHERE owner = $1 AND status = 'running'
) AS owned, (
    SELECT coalesce(json_agg(json_build_object(
        'id', id, 'epoch', attempt, 'is_cancelled', cancel_at IS NOT NULL
    )), '[]')::text
    FROM tasks WHERE owner = $1 AND status = 'running'
) AS tasks
"""

# Two statements, since a transaction pooler may answer them from two sessions.
LOCK = "SELECT pg_backend_pid(), pg_advisory_lock(7, $1)"
HOLDS_LOCK = """
SELECT pg_backend_pid() = $2 AND EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid = $2
        AND classid = 7 AND objid = $1::oid AND objsubid = 2
)
"""

SWEEP = "DELETE FROM workers WHERE lease_until < now() - interval '1 hour'"


class _Owned(msgspec.Struct):
    """A run, or a task with its attempt as `epoch`."""

    id: UUID
    epoch: int
    is_cancelled: bool


_owned = msgspec.json.Decoder(list[_Owned]).decode


class Liveness:
    """The beat of this process, on a connection of its own.

    The lock is what tells a killed process from a slow one within `STALE_S`. Behind a transaction
    pooler it would belong to whoever comes next: then none is named, and leases alone decide.
    """

    def __init__(self, settings: Database, pool: Pool, clock: Clock, *, lease_s: float) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._lease_s = lease_s
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._connected_at_s = 0.0
        self._server_age_s = 0.0
        self._lock_id = NO_LOCK
        self._beats = 0

    async def beat(self, worker_id: UUID) -> Beat:
        with translated():
            try:
                return await self._beat(worker_id)
            except BaseException:
                self.close()
                raise

    async def _beat(self, worker_id: UUID) -> Beat:
        connection = self._connection or await self._connect()
        (row,) = await connection.fetch(
            BEAT, worker_id, self._lock_id, os.getpid(), socket.gethostname(), self._lease_s
        )
        self._server_age_s = row["server_age_s"]
        if self._beats % SWEEP_EVERY == 0:
            await connection.execute(SWEEP)
        self._beats += 1
        owned, tasks = _owned(row["owned"]), _owned(row["tasks"])
        return Beat(
            owned={run.id: run.epoch for run in owned},
            cancelled=frozenset(run.id for run in owned if run.is_cancelled),
            tasks={task.id: task.epoch for task in tasks},
            cancelled_tasks=frozenset(task.id for task in tasks if task.is_cancelled),
        )

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        args = connect_args(self._settings, url=self._settings.direct_url)
        args["server_settings"] |= {
            "application_name": "polyagent beat",
            "synchronous_commit": "off",
        }
        args["command_timeout"] = ANSWER_S
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(**args)
        self._connection = connection
        self._connected_at_s = self._clock.monotonic()
        lock_id = 1 + int.from_bytes(os.urandom(4)) % (2**31 - 1)
        pid = await connection.fetchval(LOCK, lock_id)
        holds = await connection.fetchval(HOLDS_LOCK, lock_id, pid)
        self._lock_id = lock_id if holds else NO_LOCK
        return connection

    def is_old_enough(self) -> bool:
        """Say whether a worker that was silent for a lease was so for reasons of its own.

        After a restart or a lost network everybody is silent for a while.
        """
        if self._connection is None or self._connection.is_closed():
            return False
        connected_s = self._clock.monotonic() - self._connected_at_s
        return min(connected_s, self._server_age_s) > self._lease_s

    async def leave(self, worker_id: UUID) -> None:
        with translated():
            await self._pool.execute("DELETE FROM workers WHERE id = $1", worker_id)
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
