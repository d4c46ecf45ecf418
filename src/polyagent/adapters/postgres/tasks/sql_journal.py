"""Statements that give tasks to workers and take them back."""

from polyagent.adapters.postgres.sql_liveness import is_dead

_PLACE = "queue_entry(t.id, t.priority, t.user_id, t.end_user)::text AS entry"

_DUE = "t.status = 'queued' AND t.due_at <= now()"

# Rows that are named are to be found by their ids: their status is put so that no index over all that
# wait is a temptation, as one is to a planner who has not seen yet how many there are.
_IS = "coalesce(t.status, '') ="

# 1 worker
_CLAIM = """
WITH t AS (
    UPDATE tasks t SET
        status = 'running', attempt = t.attempt + 1, owner = $1, claimed_at = now(), progress = NULL
    WHERE {found}
    RETURNING t.*
)
SELECT t.id, t.kind, t.payload::text AS payload, t.attempt, t.spared, t.max_attempts, t.timeout_s,
    t.workspace_id, t.user_id, t.end_user, t.cut_short, t.traceparent,
    t.webhook_id, u.role AS role,
    extract(epoch FROM now() - greatest(t.created_at, t.due_at))::float8 AS waited_s
FROM t LEFT JOIN users u ON u.id = t.user_id AND u.status = 'active'
"""

# 1 worker, 2 ids, 3 kinds
CLAIM = _CLAIM.format(
    found=f"t.id = ANY ($2::uuid[]) AND t.kind = ANY ($3::text[]) AND {_IS} 'queued' AND t.due_at <= now()"
)

# 1 kinds, 2 how many
OLDEST = f"""
SELECT t.id FROM tasks t
WHERE {_DUE} AND t.kind = ANY ($1::text[]) ORDER BY t.seq LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608  # pieces of our own, values are bound

# 1 ids, 2 kinds
FOREIGN = f"""
SELECT {_PLACE}, extract(epoch FROM now() - t.due_at)::float8 AS waited_s
FROM tasks t WHERE t.id = ANY ($1::uuid[]) AND t.kind <> ALL ($2::text[])
    AND {_IS} 'queued' AND t.due_at <= now()
"""  # noqa: S608  # pieces of our own, values are bound

# 1 ids, 2 attempts, 3 statuses, 4 results, 5 errors, 6 delays, 7 spared, 8 cut short
FINISH = f"""
WITH x AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::float8[],
        $7::boolean[], $8::boolean[]
    ) AS x(id, attempt, status, result, error, delay_s, spared, cut_short)
), t AS (
    UPDATE tasks t SET
        status = CASE WHEN x.status = 'queued' AND t.cancel_at IS NOT NULL
            THEN 'cancelled' ELSE x.status END,
        result = x.result::json,
        error = x.error::jsonb,
        due_at = CASE WHEN x.status = 'queued'
            THEN now() + make_interval(secs => x.delay_s) ELSE t.due_at END,
        spared = t.spared + x.spared::integer,
        cut_short = t.cut_short OR x.cut_short,
        owner = NULL,
        finished_at = CASE WHEN x.status = 'queued' AND t.cancel_at IS NULL
            THEN NULL ELSE now() END
    FROM x
    WHERE t.id = x.id AND t.attempt = x.attempt AND {_IS} 'running'
    RETURNING t.*, x.delay_s
), kept AS (
    INSERT INTO task_attempts (task_id, number, started_at, error)
    SELECT id, attempt, claimed_at, error FROM t WHERE status = 'queued'
)
SELECT {_PLACE}, delay_s FROM t WHERE status = 'queued'
"""  # noqa: S608  # pieces of our own, values are bound

# 1 worker, 2 after how many seconds a beat is stale, 3 the error of an attempt, 4 of the last one
TAKE_OVER = f"""
WITH lost AS (
    SELECT t.id FROM tasks t LEFT JOIN workers w ON w.id = t.owner
    WHERE t.status = 'running' AND t.owner <> $1 AND {is_dead("$2::float8")}
    ORDER BY t.seq LIMIT 1000
    FOR NO KEY UPDATE OF t SKIP LOCKED
), t AS (
    UPDATE tasks t SET
        status = CASE WHEN t.cancel_at IS NOT NULL THEN 'cancelled'
            WHEN t.attempt - t.spared < t.max_attempts THEN 'queued' ELSE 'dead' END,
        error = (CASE WHEN t.attempt - t.spared < t.max_attempts THEN $3 ELSE $4 END)::text::jsonb,
        due_at = now(),
        cut_short = true,
        owner = NULL,
        finished_at = CASE WHEN t.cancel_at IS NULL AND t.attempt - t.spared < t.max_attempts
            THEN NULL ELSE now() END
    FROM lost WHERE t.id = lost.id
    RETURNING t.*
), kept AS (
    INSERT INTO task_attempts (task_id, number, started_at, error)
    SELECT id, attempt, claimed_at, error FROM t WHERE status = 'queued'
)
SELECT CASE WHEN t.status = 'queued' THEN queue_entry(t.id, t.priority, t.user_id, t.end_user) END::text
    AS entry FROM t
"""  # noqa: S608  # pieces of our own, values are bound

# 1 id, 2 attempt, 3 progress
PROGRESS = """
UPDATE tasks SET progress = $3::text::json WHERE id = $1 AND attempt = $2 AND status = 'running'
"""

# a statement of its own: the next one sees what it waited for
CAPS_LOCK = "SELECT pg_advisory_xact_lock(10, 0)"

RUNNING = "SELECT kind, user_id FROM tasks WHERE status = 'running'"

# 1 ids
WANTED = f"""
SELECT t.id, t.kind, t.user_id FROM unnest($1::uuid[]) WITH ORDINALITY AS w(id, place)
JOIN tasks t ON t.id = w.id WHERE {_IS} 'queued' AND t.due_at <= now() ORDER BY w.place
"""  # noqa: S608  # pieces of our own, values are bound

# 1 ids
PARK = f"UPDATE tasks t SET status = 'parked' WHERE t.id = ANY ($1::uuid[]) AND {_IS} 'queued'"  # noqa: S608

# of each kind and user the oldest, as many as a release may need. 1 how many of each
PARKED = """
SELECT p.id, p.kind, p.user_id
FROM (SELECT DISTINCT kind, user_id FROM tasks WHERE status = 'parked') g, LATERAL (
    SELECT id, seq, kind, user_id FROM tasks
    WHERE status = 'parked' AND kind = g.kind AND user_id = g.user_id ORDER BY seq LIMIT $1
) p ORDER BY p.seq
"""

# 1 ids
RELEASE = f"""
UPDATE tasks t SET status = 'queued' WHERE t.id = ANY ($1::uuid[]) AND {_IS} 'parked'
RETURNING {_PLACE}
"""  # noqa: S608  # pieces of our own, values are bound

# 1 the last seq that was looked at, 2 how many
BACKLOG = f"""
SELECT t.seq, {_PLACE}, greatest(extract(epoch FROM t.due_at - now()), 0)::float8 AS delay_s,
    t.webhook_id IS NOT NULL AND t.attempt = 0 AS is_new
FROM tasks t WHERE t.status = 'queued' AND t.seq > $1 ORDER BY t.seq LIMIT $2
"""  # noqa: S608  # pieces of our own, values are bound

# each reads one partial index
DEPTH = """
SELECT
    (SELECT count(*) FROM tasks WHERE status = 'queued') AS queued,
    (SELECT count(*) FROM tasks WHERE status = 'parked') AS parked,
    (SELECT count(*) FROM tasks WHERE status = 'running') AS running
"""
