"""Taking away what nobody can ask for any more."""

from datetime import timedelta
from operator import eq

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool

KEYS = 1000
FAMILIES = 1000
SESSIONS = 10
ENTRIES = 1000
TASKS = 1000

# 1 how many
SWEEP_KEYS = """
WITH old AS (
    SELECT ctid FROM idempotency_keys WHERE expires_at < now()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)) RETURNING 1
)
SELECT count(*) FROM gone
"""

# 1 how many
SWEEP_FAMILIES = """
WITH old AS (
    SELECT id FROM token_families WHERE expires_at < now()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM token_families WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1
)
SELECT count(*) FROM gone
"""

# 1 how many, 2 for how many days they are kept. An id begins with when it was made, in milliseconds,
# so that the old ones are found without an index of their own.
SWEEP_TASKS = """
WITH old AS (
    SELECT id FROM tasks
    WHERE finished_at < now() - make_interval(days => $2) AND id < (
        lpad(to_hex((extract(epoch FROM now() - make_interval(days => $2)) * 1000)::bigint), 12, '0')
        || repeat('0', 20)
    )::uuid
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM tasks WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1
)
SELECT count(*) FROM gone
"""

# 1 how many. Nothing is admitted into a deleted session, and runs that have ended stay so.
SWEEP_SESSIONS = """
WITH s AS (
    SELECT id FROM sessions
    WHERE deleted_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM runs r
        WHERE r.session_id = sessions.id AND r.status IN ('queued', 'running', 'waiting')
    )
    ORDER BY deleted_at LIMIT $1 FOR UPDATE SKIP LOCKED
), ids AS (
    SELECT array_agg(id) AS of_sessions, ARRAY(
        SELECT id FROM runs WHERE session_id IN (SELECT id FROM s)
    ) AS of_runs FROM s
), r AS (
    DELETE FROM runs USING ids WHERE id = ANY (of_runs)
), e AS (
    DELETE FROM run_events USING ids WHERE run_id = ANY (of_runs)
), c AS (
    DELETE FROM tool_calls USING ids WHERE run_id = ANY (of_runs)
), m AS (
    DELETE FROM messages USING ids WHERE session_id = ANY (of_sessions)
), gone AS (
    DELETE FROM sessions USING ids WHERE id = ANY (of_sessions) RETURNING 1
)
SELECT count(*) FROM gone
"""

# 1 how long they are kept, 2 how many
SWEEP_AUDIT = "SELECT audit_sweep($1, $2)"


class PostgresUpkeep:
    def __init__(self, pool: Pool, *, audit_keep_days: int, task_keep_days: int) -> None:
        self._pool = pool
        self._audit_kept = timedelta(days=audit_keep_days)
        self._task_keep_days = task_keep_days

    async def sweep(self) -> bool:
        with translated():
            keys = await self._pool.fetchval(SWEEP_KEYS, KEYS)
            families = await self._pool.fetchval(SWEEP_FAMILIES, FAMILIES)
            sessions = await self._pool.fetchval(SWEEP_SESSIONS, SESSIONS)
            entries = await self._pool.fetchval(SWEEP_AUDIT, self._audit_kept, ENTRIES)
            tasks = await self._pool.fetchval(SWEEP_TASKS, TASKS, self._task_keep_days)
        swept = (keys, families, sessions, entries, tasks)
        return any(map(eq, swept, (KEYS, FAMILIES, SESSIONS, ENTRIES, TASKS)))
