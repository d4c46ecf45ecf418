"""Taking away what nobody can ask for any more."""

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool

KEYS = 1000
FAMILIES = 1000
SESSIONS = 10

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


class PostgresUpkeep:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sweep(self) -> bool:
        with translated():
            keys = await self._pool.fetchval(SWEEP_KEYS, KEYS)
            families = await self._pool.fetchval(SWEEP_FAMILIES, FAMILIES)
            sessions = await self._pool.fetchval(SWEEP_SESSIONS, SESSIONS)
        return bool(keys == KEYS or families == FAMILIES or sessions == SESSIONS)
