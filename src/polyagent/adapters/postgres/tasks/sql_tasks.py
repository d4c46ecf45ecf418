"""Statements of tasks as those who ask for them see them; named parameters, for SQLAlchemy's `text`."""

from polyagent.domain.task import PAGE_BYTES

STATUS = """CASE
        WHEN t.status = 'parked' THEN 'queued'
        WHEN t.status = 'queued' AND t.due_at > now() THEN
            CASE WHEN t.attempt = t.spared THEN 'scheduled' ELSE 'retrying' END
        ELSE t.status
    END"""

TASK = f"""json_build_object(
    'id', t.id, 'workspace_id', t.workspace_id, 'user_id', t.user_id, 'end_user', t.end_user,
    'kind', t.kind, 'status', {STATUS}, 'priority', t.priority, 'payload', t.payload,
    'unique_key', t.unique_key, 'schedule_id', t.schedule_id, 'fire_at', t.fire_at,
    'max_attempts', t.max_attempts, 'timeout_s', t.timeout_s,
    'progress', t.progress, 'result', t.result, 'error', t.error,
    'attempts', (
        SELECT coalesce(json_agg(a ORDER BY a.number), '[]') FROM (
            SELECT number, started_at, finished_at, error
            FROM task_attempts WHERE task_id = t.id
            UNION ALL
            SELECT t.attempt, t.claimed_at, t.finished_at, t.error
            WHERE t.claimed_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM task_attempts WHERE task_id = t.id AND number = t.attempt
            )
        ) a
    ),
    'next_attempt_at', CASE WHEN t.status IN ('queued', 'parked') THEN t.due_at END,
    'webhook_id', t.webhook_id, 'metadata', t.metadata, 'created_at', t.created_at,
    'finished_at', t.finished_at
)::text"""  # noqa: S608  # pieces of our own

# its place in the queue, for when the transaction is committed
ENTRY = """queue_entry(t.id, t.priority, t.user_id, t.end_user)::text AS entry,
    greatest(extract(epoch FROM t.due_at - now()), 0)::float8 AS delay_s"""

ADD = """
WITH t AS (
    INSERT INTO tasks (
        id, workspace_id, user_id, end_user, kind, payload, priority, max_attempts, timeout_s,
        unique_key, schedule_id, fire_at, due_at, metadata, traceparent, webhook_id
    )
    SELECT n.id, :workspace_id, n.user_id, n.end_user, n.kind, n.payload, n.priority,
        n.max_attempts, n.timeout_s, n.unique_key, n.schedule_id, n.fire_at,
        coalesce(n.due_at, now()), n.metadata, n.traceparent, n.webhook_id
    FROM ROWS FROM (json_to_recordset(CAST(:tasks AS json)) AS (
        id uuid, user_id uuid, end_user text, kind text, payload json, priority smallint,
        max_attempts integer, timeout_s float8, unique_key text, schedule_id uuid,
        fire_at timestamptz, due_at timestamptz, metadata jsonb, traceparent text,
        webhook_id uuid
    )) WITH ORDINALITY AS n(
        id, user_id, end_user, kind, payload, priority, max_attempts, timeout_s, unique_key,
        schedule_id, fire_at, due_at, metadata, traceparent, webhook_id, place
    )
    ORDER BY n.place
    ON CONFLICT DO NOTHING  -- tasks_unique_key, tasks_fire
    RETURNING *
)
SELECT t.id, t.created_at, t.due_at, t.due_at > now() AS is_later,
    extract(epoch FROM t.due_at - now())::float8 AS delay_s,
    u.settings @> '{"application": true}' AS is_application
FROM t LEFT JOIN users u ON u.id = t.user_id
"""

WAITING = "SELECT tasks_waiting_of(:user_id) AS count"

LIVE_UNDER = f"""
SELECT {TASK} AS task FROM tasks t
WHERE t.workspace_id = :workspace_id AND t.user_id = :user_id
    AND coalesce(t.end_user, '') = coalesce(CAST(:end_user AS text), '')
    AND t.unique_key = :unique_key AND t.status IN ('queued', 'parked', 'running')
UNION ALL
SELECT {TASK} AS task FROM tasks t
WHERE t.schedule_id = :schedule_id AND t.fire_at = :fire_at
"""  # noqa: S608  # pieces of our own, values are bound

VISIBLE = "t.workspace_id = :workspace_id AND (:is_admin OR t.user_id = :user_id)"

GET = f"SELECT {TASK} AS task FROM tasks t WHERE {VISIBLE} AND t.id = :id"  # noqa: S608


# What is small on disk is not written out to be measured.
_SIZE = """CASE
        WHEN pg_column_size(payload) + coalesce(pg_column_size(result), 0) < 2000 THEN 2000
        ELSE octet_length(payload::text) + coalesce(octet_length(result::text), 0)
    END"""

# A page of a hundred tasks with a megabyte each is more than a process should hold: there is no `task`
# in the rows behind those that fill it.
_LIST = f"""
WITH t AS (
    SELECT t.* FROM tasks t
    WHERE {VISIBLE}
        AND (CAST(:status AS text) IS NULL OR {STATUS} = :status)
        AND (CAST(:kind AS text) IS NULL OR t.kind = :kind)
        AND (CAST(:end_user AS text) IS NULL OR t.end_user = :end_user)
        AND (CAST(:webhook_id AS uuid) IS NULL OR t.webhook_id = :webhook_id)
        AND (CAST(:behind AS uuid) IS NULL OR t.id {{beyond}} :behind)
    ORDER BY t.id {{way}} LIMIT :limit
), sized AS MATERIALIZED (
    SELECT id, {_SIZE} AS size_bytes FROM t
), weighed AS (
    SELECT id AS of_id, sum(size_bytes) OVER (ORDER BY id {{way}}) - size_bytes AS bytes_before FROM sized
)
SELECT t.id, CASE WHEN bytes_before < {PAGE_BYTES} THEN {TASK} END AS task
FROM t JOIN weighed ON of_id = t.id ORDER BY t.id {{way}}
"""  # noqa: S608  # pieces of our own, values are bound
LIST = {
    "desc": _LIST.format(beyond="<", way="DESC"),
    "asc": _LIST.format(beyond=">", way="ASC"),
}

CANCEL = f"""
WITH t AS (
    UPDATE tasks t SET
        cancel_at = coalesce(t.cancel_at, now()),
        status = CASE WHEN t.status = 'running' THEN 'running' ELSE 'cancelled' END,
        error = CASE WHEN t.status = 'running' THEN t.error ELSE CAST(:error AS jsonb) END,
        finished_at = CASE WHEN t.status = 'running' THEN NULL ELSE now() END
    WHERE {VISIBLE} AND t.id = :id AND t.status IN ('queued', 'parked', 'running')
    RETURNING *
)
SELECT t.status = 'running' AS is_running, {TASK} AS task FROM t
"""  # noqa: S608  # pieces of our own, values are bound

RETRY = f"""
WITH kept AS (
    INSERT INTO task_attempts (task_id, number, started_at, finished_at, error)
    SELECT t.id, t.attempt, t.claimed_at, t.finished_at, t.error FROM tasks t
    WHERE {VISIBLE} AND t.id = :id AND t.status = 'dead' AND t.claimed_at IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING number, started_at, finished_at, error
), t AS (
    UPDATE tasks t SET
        status = 'queued', due_at = now(), spared = t.attempt, cut_short = false,
        claimed_at = NULL, cancel_at = NULL, finished_at = NULL, error = NULL, progress = NULL
    WHERE {VISIBLE} AND t.id = :id AND t.status = 'dead'
    RETURNING *
)
SELECT t.id, {ENTRY} FROM t
"""  # noqa: S608  # pieces of our own, values are bound

STATS = f"""
SELECT s.kind, s.status, count(*) AS count, sum(s.attempt) AS attempts, avg(s.run_s) AS mean_run_s
FROM (
    SELECT t.kind, {STATUS} AS status, t.attempt,
        CASE WHEN t.status IN ('succeeded', 'dead')
            THEN extract(epoch FROM t.finished_at - t.claimed_at)::float8 END AS run_s
    FROM tasks t
    WHERE {VISIBLE}
        AND (CAST(:since AS timestamptz) IS NULL OR t.created_at >= :since)
        AND (CAST(:until AS timestamptz) IS NULL OR t.created_at < :until)
) s
GROUP BY s.kind, s.status ORDER BY s.kind, s.status
"""  # noqa: S608  # pieces of our own, values are bound
