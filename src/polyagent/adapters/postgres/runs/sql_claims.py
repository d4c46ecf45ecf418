"""Statements that give runs to a worker. The order of locks is told in sql_runs.py."""

from polyagent.adapters.postgres.runs.sql_endings import ENDINGS
from polyagent.adapters.postgres.runs.sql_json import SPEC_KEPT
from polyagent.adapters.postgres.sql_liveness import is_dead

# 4 how many, 5 run or NULL, 6 whether dead owners count, 7 after how many seconds a beat is stale
_LEFT_BEHIND = f"""left_behind AS (
    SELECT r.id, r.owner IS NOT NULL AS is_stalled
    FROM runs r LEFT JOIN workers w ON w.id = r.owner
    WHERE r.status = 'running' AND ($5::uuid IS NULL OR r.id = $5) AND (
        r.owner IS NULL
        OR (r.owner = $1 AND r.id = $5)
        OR ($6::boolean AND r.owner <> $1 AND {is_dead("$7")})
    )
    ORDER BY r.priority DESC, r.seq LIMIT $4
    FOR NO KEY UPDATE OF r SKIP LOCKED
), decided AS (
    SELECT id FROM runs
    WHERE status = 'waiting' AND ready_at IS NOT NULL AND ($5::uuid IS NULL OR id = $5)
    ORDER BY priority DESC, seq LIMIT $4 - (SELECT count(*) FROM left_behind)
    FOR NO KEY UPDATE SKIP LOCKED
)"""  # noqa: S608  # pieces of our own, values are bound

_LEFT = """
        SELECT id, false AS is_new, is_stalled,
            CASE WHEN is_stalled THEN 'takeover' ELSE 'handover' END AS reason
        FROM left_behind
        UNION ALL
        SELECT id, false, false, 'decision' FROM decided"""

_FIRST = """
        SELECT id, true AS is_new, false AS is_stalled, NULL AS reason
        FROM first WHERE session_id IS NULL OR session_id IN (SELECT id FROM free)"""

# of a session only the oldest, when the session is free
_CLAIMABLE = """r.status = 'queued'
            AND NOT EXISTS (
                SELECT FROM runs a
                WHERE a.session_id = r.session_id AND a.status IN ('running', 'waiting')
            )
            AND NOT EXISTS (
                SELECT FROM runs p
                WHERE p.session_id = r.session_id AND p.status = 'queued' AND p.seq < r.seq
            )"""

# 8 how many runs of one may execute: of those who seem to have room some, no more than they really have
_SCANNED = f"""busy AS MATERIALIZED (
    SELECT user_id, whose_turn(user_id, end_user) AS whose FROM runs
    WHERE status = 'running' GROUP BY 1, 2 HAVING count(*) >= $8::integer
), seen AS MATERIALIZED (
    SELECT r.id, r.session_id, r.user_id, whose_turn(r.user_id, r.end_user) AS whose,
        r.priority, r.seq
    FROM runs r
    WHERE {_CLAIMABLE} AND ($5::uuid IS NULL OR r.id = $5)
        AND NOT EXISTS (
            SELECT FROM busy b WHERE b.user_id = r.user_id
                AND b.whose IS NOT DISTINCT FROM whose_turn(r.user_id, r.end_user)
        )
    ORDER BY r.priority DESC, r.seq
    LIMIT $4 - (SELECT count(*) FROM left_behind) - (SELECT count(*) FROM decided)
    FOR NO KEY UPDATE OF r SKIP LOCKED
), rooms AS MATERIALIZED (
    SELECT user_id, whose, user_room(user_id, whose, $8::integer) AS room
    FROM (SELECT DISTINCT user_id, whose FROM seen) u
), first AS (
    SELECT id, session_id FROM (
        SELECT s.id, s.session_id, room, row_number() OVER (
            PARTITION BY s.user_id, s.whose ORDER BY s.priority DESC, s.seq
        ) AS nth
        FROM seen s JOIN rooms m
            ON m.user_id = s.user_id AND m.whose IS NOT DISTINCT FROM s.whose
    ) f WHERE nth <= room LIMIT 64
), free AS (
    SELECT id FROM sessions WHERE id IN (SELECT session_id FROM first)
    FOR NO KEY UPDATE SKIP LOCKED
)"""  # noqa: S608  # pieces of our own, values are bound

# 4 the runs: whoever holds their sessions is waited for, since nobody would name these runs again
_NAMED = f"""wanted AS (
    SELECT r.id, r.session_id FROM unnest($4::uuid[]) AS w(id) JOIN runs r ON r.id = w.id
    WHERE {_CLAIMABLE}
), free AS (
    SELECT id FROM sessions WHERE id IN (SELECT session_id FROM wanted)
    ORDER BY id FOR NO KEY UPDATE
), first AS (
    SELECT r.id, r.session_id FROM wanted JOIN runs r ON r.id = wanted.id
    WHERE r.status = 'queued' AND (r.session_id IS NULL OR r.session_id IN (SELECT id FROM free))
    FOR NO KEY UPDATE OF r SKIP LOCKED
)"""  # noqa: S608  # pieces of our own, values are bound


_GIVEN = f"""r AS (
    UPDATE runs r SET
        epoch = r.epoch + 1,
        claimed_at = now(),
        started_at = coalesce(r.started_at, now()),
        ready_at = NULL,
        stalls = r.stalls + c.is_stalled::integer,
        attempt = r.attempt + c.is_stalled::integer,
        status = CASE WHEN is_stalled AND r.stalls + 1 >= $2 THEN 'failed' ELSE 'running' END,
        owner = CASE WHEN is_stalled AND r.stalls + 1 >= $2 THEN NULL ELSE $1::uuid END,
        finished_at = CASE WHEN is_stalled AND r.stalls + 1 >= $2 THEN now() END,
        error = CASE WHEN is_stalled AND r.stalls + 1 >= $2 THEN $3::text::jsonb END,
        spec = CASE WHEN is_stalled AND r.stalls + 1 >= $2 THEN {SPEC_KEPT} ELSE r.spec END
    FROM claimed c WHERE r.id = c.id
    RETURNING r.*, c.is_new, c.reason
), told AS (
    INSERT INTO run_events (run_id, seq, type, data, at)
    SELECT id, epoch::bigint * 10000000 + 1,
        CASE WHEN is_new THEN 'run.started' ELSE 'run.resumed' END,
        CASE WHEN is_new THEN jsonb_build_object(
                'agent_id', agent_id, 'agent_version', agent_version, 'attempt', attempt)
            ELSE jsonb_strip_nulls(jsonb_build_object(
                'attempt', attempt, 'reason', reason,
                'discard_step', CASE WHEN reason <> 'decision' THEN step + 1 END))
        END,
        now()
    FROM r WHERE status = 'running'
), asked AS (
    INSERT INTO messages (
        id, workspace_id, user_id, session_id, run_id, step, role, parts, created_at
    )
    SELECT message_id, workspace_id, user_id, session_id, id, 0, 'user', (spec->'parts')::jsonb, now()
    FROM r WHERE is_new
), counted AS (
    UPDATE sessions SET message_count = message_count + 1, updated_at = now()
    FROM r WHERE sessions.id = r.session_id AND r.is_new
), ended AS (
    SELECT id, epoch::bigint * 10000000 AS last_seq, 'run.failed' AS type, error AS data
    FROM r WHERE status = 'failed'
), {ENDINGS}
SELECT id, epoch FROM r WHERE status = 'running' ORDER BY priority DESC, seq
"""  # noqa: S608  # pieces of our own, values are bound


def _claim(found: str, claimed: str) -> str:
    """Return the statement that gives a worker what was `found`.

    1 worker, 2 the most stalls, 3 the error of a run with so many. The planner cannot know how many
    are found: without the limits of 64 it expects thousands of rows, and reads whole tables to join them.
    """
    some = f"SELECT * FROM ({claimed}\n    ) c LIMIT 64"  # noqa: S608  # pieces of our own
    return f"WITH {found}, claimed AS (\n    {some}\n), {_GIVEN}"


CLAIM = _claim(f"{_LEFT_BEHIND}, {_SCANNED}", f"{_LEFT}\n        UNION ALL{_FIRST}")
CLAIM_LEFT_BEHIND = _claim(_LEFT_BEHIND, _LEFT)
CLAIM_QUEUED = _claim(_NAMED, _FIRST)

# 1 the last seq that was looked at, 2 how many
BACKLOG = f"""
WITH page AS (
    SELECT id, seq, session_id, priority, user_id, end_user, status FROM runs
    WHERE status = 'queued' AND seq > $1 ORDER BY seq LIMIT $2
)
SELECT
    (
        SELECT coalesce(json_agg(
            queue_entry(r.id, r.priority, r.user_id, r.end_user) ORDER BY r.seq
        ), '[]')::text
        FROM page r WHERE {_CLAIMABLE}
    ) AS entries,
    CASE WHEN count(*) = $2 THEN max(seq) ELSE 0 END AS next
FROM page
"""  # noqa: S608  # pieces of our own, values are bound

# each reads one small partial index
DEPTH = """
SELECT
    (SELECT count(*) FROM runs WHERE status = 'queued') AS queued,
    (SELECT count(*) FROM runs WHERE status = 'running') AS running,
    (SELECT count(*) FROM runs WHERE status = 'waiting' AND session_id IS NOT NULL) AS waiting
"""
