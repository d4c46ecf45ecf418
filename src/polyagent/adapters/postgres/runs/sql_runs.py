"""Statements of those who ask for runs: `PostgresRuns`.

Every statement that locks both takes the session before the run: admissions, step commits and
deletions of one session then wait for each other and never deadlock. An UPDATE meets what another
part of its statement wrote only in FROM: its other subqueries are run again when a row had changed.
"""

from polyagent.adapters.postgres.runs.sql_endings import ENDINGS
from polyagent.adapters.postgres.runs.sql_json import (
    EVENT,
    RUN,
    SPEC_KEPT,
    history,
    summary,
    uncovered,
)

_OF_SESSION = "session_id = (SELECT id FROM s)"

# 1 workspace, 2 user, 3 is administrator, 4 session, 5 end user, 6 agent, 7 agent type, 8 agent name
GROUND = f"""
WITH s AS (
    SELECT * FROM sessions
    WHERE id = $4 AND workspace_id = $1 AND user_id = $2 AND deleted_at IS NULL
        AND ($5::text IS NULL OR end_user = $5)
), wanted AS (
    SELECT coalesce($6::uuid, CASE WHEN $8::text IS NOT NULL THEN (
        SELECT id FROM agents
        WHERE workspace_id = $1 AND name = $8 AND deleted_at IS NULL
            AND (user_id = $2 OR visibility = 'shared' OR $3::boolean)
        ORDER BY status <> 'active', user_id <> $2, NOT builtin, visibility <> 'shared', id LIMIT 1
    ) ELSE coalesce((SELECT agent_id FROM s WHERE $7::text IS NULL), (
        SELECT id FROM agents
        WHERE workspace_id = $1 AND builtin AND deleted_at IS NULL
            AND type = coalesce($7::text, 'general')
        ORDER BY id LIMIT 1
    )) END) AS id
)
SELECT
    (
        SELECT (a.body || jsonb_build_object(
            'id', a.id, 'workspace_id', a.workspace_id, 'owner_id', a.user_id,
            'version', a.version, 'builtin', a.builtin,
            'created_at', a.created_at, 'updated_at', a.updated_at
        ))::text
        FROM wanted JOIN agents a ON a.id = wanted.id
        WHERE a.workspace_id = $1 AND a.deleted_at IS NULL
            AND (a.user_id = $2 OR a.visibility = 'shared' OR $3::boolean)
    ) AS agent,
    (
        SELECT json_build_object(
            'id', s.id, 'workspace_id', s.workspace_id, 'user_id', s.user_id,
            'end_user', s.end_user, 'agent_id', s.agent_id, 'title', s.title,
            'message_count', s.message_count, 'metadata', s.metadata, 'version', s.version,
            'created_at', s.created_at, 'updated_at', s.updated_at,
            'status', coalesce((
                SELECT r.status FROM runs r
                WHERE r.session_id = s.id AND r.status IN ('running', 'waiting')
            ), 'idle')
        )::text FROM s
    ) AS session,
    {summary(_OF_SESSION)} AS summary,
    {history(f"{_OF_SESSION} AND {uncovered(_OF_SESSION)}")} AS history
"""  # noqa: S608  # pieces of our own, values are bound

# that a run failed before any output, and is worth another try
_SILENT = """
r.status = 'failed' AND (r.error->>'retryable')::boolean AND NOT EXISTS (
    SELECT FROM run_events e WHERE e.run_id = r.id AND e.type = 'message.completed'
)
"""

# 1 workspace, 2 user, 3 NewRun as JSON, 4 worker, 5 key, 6 its route, 7 its body hash, 8 its end user,
# 9 the most queued runs of a user
ADMIT = f"""
WITH a AS (
    SELECT * FROM json_to_record($3::text::json) AS a(
        id uuid, message_id uuid, session_id uuid, new_session boolean, title text,
        agent_id uuid, agent_version integer, spec json, priority smallint, end_user text,
        metadata jsonb, reject_if_busy boolean
    )
), s AS (
    SELECT id, message_count FROM sessions
    WHERE id = (SELECT session_id FROM a WHERE NOT new_session)
        AND workspace_id = $1 AND user_id = $2 AND deleted_at IS NULL
    FOR NO KEY UPDATE
), waiting AS (
    SELECT line.* FROM s, session_line(s.id) AS line
    UNION ALL
    SELECT false, 0 WHERE NOT EXISTS (SELECT FROM s)
), door AS (
    SELECT a.*, is_busy, queued + 1 AS position,
        CASE WHEN $4::uuid IS NULL OR is_busy THEN 'queued' ELSE 'running' END AS status
    FROM a, waiting
    WHERE (session_id IS NULL OR new_session OR EXISTS (SELECT FROM s))
        AND NOT (is_busy AND reject_if_busy)
        AND CASE WHEN $4::uuid IS NULL OR is_busy THEN queue_has_room($2, $9) ELSE true END
), k AS (
    INSERT INTO idempotency_keys AS k (
        workspace_id, user_id, end_user, route, key, body_hash, run_id, created_at, expires_at
    )
    SELECT $1, $2, $8::text, $6::text, $5::text, $7::bytea, id, now(), now() + interval '24 hours'
    FROM door WHERE $5::text IS NOT NULL
    ON CONFLICT (workspace_id, user_id, end_user, route, key) DO UPDATE SET
        body_hash = excluded.body_hash, run_id = excluded.run_id, answer = NULL,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE k.expires_at <= now() OR (k.body_hash = excluded.body_hash AND EXISTS (
        SELECT FROM runs r WHERE r.id = k.run_id AND {_SILENT}
    ))
    RETURNING run_id
), entered AS (
    SELECT * FROM door WHERE $5::text IS NULL OR EXISTS (SELECT FROM k)
), made AS (
    INSERT INTO sessions (
        id, workspace_id, user_id, end_user, agent_id, title, metadata, message_count,
        created_at, updated_at
    )
    SELECT session_id, $1, $2, end_user, agent_id, title, '{{}}', (status = 'running')::integer,
        now(), now()
    FROM entered WHERE new_session
), r AS (
    INSERT INTO runs (
        id, workspace_id, user_id, end_user, session_id, agent_id, agent_version, status, spec,
        message_id, priority, owner, epoch, usage, metadata, created_at, claimed_at, started_at
    )
    SELECT id, $1, $2, end_user, session_id, agent_id, agent_version, status, spec,
        message_id, priority,
        CASE WHEN status = 'running' THEN $4::uuid END, (status = 'running')::integer,
        '{{}}', metadata, now(),
        CASE WHEN status = 'running' THEN now() END, CASE WHEN status = 'running' THEN now() END
    FROM entered
    RETURNING id, session_id, status, message_id, spec, created_at
), told AS (
    INSERT INTO run_events (run_id, seq, type, data, at)
    SELECT id, 10000001, 'run.started', jsonb_build_object(
        'agent_id', agent_id, 'agent_version', agent_version, 'attempt', 1
    ), now() FROM entered WHERE status = 'running'
    UNION ALL
    SELECT id, 1, 'run.queued', jsonb_build_object('position', position), now()
    FROM entered WHERE status = 'queued'
), asked AS (
    INSERT INTO messages (
        id, workspace_id, user_id, session_id, run_id, step, role, parts, created_at
    )
    SELECT message_id, $1, $2, session_id, id, 0, 'user', (spec->'parts')::jsonb, created_at
    FROM r WHERE status = 'running'
), counted AS (
    UPDATE sessions SET message_count = sessions.message_count + 1, updated_at = now()
    FROM r WHERE sessions.id = r.session_id AND r.status = 'running'
)
SELECT r.status, r.created_at, entered.position, s.message_count,
    CASE WHEN r.status = 'queued' AND NOT is_busy THEN
        queue_entry(r.id, priority, $2, end_user)::text
    END AS next
FROM r JOIN entered ON true LEFT JOIN s ON true
"""  # noqa: S608  # pieces of our own, values are bound

# 1 workspace, 2 user, 3 run, 4 session or NULL, 5 key, 6 its route, 7 its end user
ADMITTED_BEFORE = f"""
SELECT k.body_hash, {RUN} AS run, r.id,
    $4::uuid IS NULL OR EXISTS (
        SELECT FROM sessions s
        WHERE s.id = $4 AND s.workspace_id = $1 AND s.user_id = $2 AND s.deleted_at IS NULL
    ) AS has_session,
    coalesce((SELECT is_busy FROM session_line($4)), false) AS is_busy
FROM (SELECT) AS nothing
LEFT JOIN idempotency_keys k ON k.workspace_id = $1 AND k.user_id = $2 AND k.end_user = $7
    AND k.route = $6 AND k.key = $5 AND k.expires_at > now()
LEFT JOIN runs r ON r.id = coalesce(k.run_id, $3)
    AND r.workspace_id = $1 AND r.user_id = $2 AND NOT r.hidden
"""  # noqa: S608  # pieces of our own, values are bound

# 1 workspace, 2 user, 3 key, 4 its route, 5 its end user
REPLAYED = f"""
SELECT k.body_hash, {RUN} AS run
FROM idempotency_keys k
JOIN runs r ON r.id = k.run_id AND r.workspace_id = $1 AND r.user_id = $2 AND NOT r.hidden
WHERE k.workspace_id = $1 AND k.user_id = $2 AND k.end_user = $5 AND k.route = $4 AND k.key = $3
    AND k.expires_at > now() AND NOT ({_SILENT})
"""  # noqa: S608  # pieces of our own, values are bound

# 1 workspace, 2 user, 3 is administrator, 4 run
GET = f"""
SELECT {RUN} AS run FROM runs r
WHERE r.id = $4 AND r.workspace_id = $1 AND (r.user_id = $2 OR $3::boolean) AND NOT r.hidden
"""  # noqa: S608  # pieces of our own, values are bound

# as GET; 5 the last id that is known, 6 how many
EVENTS = f"""
SELECT {RUN} AS run, (
    SELECT coalesce(json_agg({EVENT} ORDER BY e.seq), '[]')::text
    FROM (
        SELECT seq, type, data, at FROM run_events
        WHERE run_id = r.id AND seq > $5 ORDER BY seq LIMIT $6
    ) e
) AS events
FROM runs r
WHERE r.id = $4 AND r.workspace_id = $1 AND (r.user_id = $2 OR $3::boolean) AND NOT r.hidden
"""  # noqa: S608  # pieces of our own, values are bound

# 1 runs
TAILS = """
SELECT r.id, r.finished_at IS NOT NULL AS is_final, (
    SELECT e.seq FROM run_events e WHERE e.run_id = r.id ORDER BY e.seq DESC LIMIT 1
) AS last_seq
FROM runs r WHERE r.id = ANY($1::uuid[])
"""

# 1 run
JOURNALED = f"""
SELECT coalesce(json_agg({EVENT} ORDER BY e.seq), '[]')::text
FROM runs r JOIN run_events e ON e.run_id = r.id WHERE r.id = $1
"""  # noqa: S608  # pieces of our own, values are bound

# 1 workspace, 2 user, 3 is administrator, 4 session, 5 status, 6 end user, 7 cursor, 8 how many
_LISTED = f"""
SELECT r.id, {RUN} AS run FROM runs r
WHERE r.workspace_id = $1 AND (r.user_id = $2 OR $3::boolean) AND NOT r.hidden
    AND ($4::uuid IS NULL OR r.session_id = $4)
    AND ($5::text IS NULL OR r.status = $5)
    AND ($6::text IS NULL OR r.end_user = $6)
"""  # noqa: S608  # pieces of our own, values are bound
LIST = {
    "desc": _LISTED + "AND ($7::uuid IS NULL OR r.id < $7) ORDER BY r.id DESC LIMIT $8",
    "asc": _LISTED + "AND ($7::uuid IS NULL OR r.id > $7) ORDER BY r.id LIMIT $8",
}

# 1 workspace, 2 user, 3 is administrator, 4 sessions, 5 how many of each that have ended
LATEST = """
SELECT r.session_id, r.id, r.status NOT IN ('queued', 'running', 'waiting') AS is_final
FROM unnest($4::uuid[]) AS s (id) CROSS JOIN LATERAL (
    SELECT * FROM runs WHERE session_id = s.id AND status IN ('running', 'waiting')
    UNION ALL SELECT * FROM runs WHERE session_id = s.id AND status = 'queued'
    UNION ALL SELECT * FROM (
        SELECT * FROM runs WHERE session_id = s.id ORDER BY id DESC LIMIT $5
    ) n WHERE status NOT IN ('queued', 'running', 'waiting')
) r
WHERE r.workspace_id = $1 AND (r.user_id = $2 OR $3::boolean) AND NOT r.hidden
ORDER BY r.seq
"""

# 1 run
LOCK = "SELECT FROM runs WHERE id = $1 FOR NO KEY UPDATE"

# as GET; 5 the error of a run that is cancelled there and then. After LOCK, so that it sees the last
# event: its own snapshot is older than the end of whoever it waited for.
CANCEL = f"""
WITH s AS (
    SELECT s.id FROM sessions s JOIN runs r ON r.session_id = s.id WHERE r.id = $4
    FOR NO KEY UPDATE OF s
), r AS (
    UPDATE runs r SET
        cancel_at = coalesce(r.cancel_at, now()),
        status = CASE WHEN r.status = 'running' THEN r.status ELSE 'cancelled' END,
        finished_at = CASE WHEN r.status = 'running' THEN NULL ELSE now() END,
        error = CASE WHEN r.status = 'running' THEN r.error ELSE $5::text::jsonb END,
        spec = CASE WHEN r.status = 'running' THEN r.spec ELSE {SPEC_KEPT} END
    FROM (SELECT) AS nothing LEFT JOIN s ON true
    WHERE r.id = $4 AND r.workspace_id = $1 AND (r.user_id = $2 OR $3::boolean) AND NOT r.hidden
        AND r.status IN ('queued', 'running', 'waiting')
    RETURNING r.*
), ended AS (
    SELECT r.id, coalesce((SELECT max(seq) FROM run_events e WHERE e.run_id = r.id), 0) AS last_seq,
        'run.cancelled' AS type, jsonb_build_object('reason', r.error->'detail') AS data
    FROM r WHERE r.status = 'cancelled'
), {ENDINGS}
SELECT {RUN} AS run,
    CASE WHEN r.status = 'cancelled' THEN next_queued(r.session_id)::text END AS next
FROM r
"""  # noqa: S608  # pieces of our own, values are bound
