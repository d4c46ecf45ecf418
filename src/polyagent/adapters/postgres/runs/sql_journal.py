"""Statements of those who execute runs: `PostgresJournal`. The order of locks is told in sql_runs.py."""

from polyagent.adapters.postgres.runs.sql_endings import ENDINGS
from polyagent.adapters.postgres.runs.sql_json import (
    EVENT,
    MESSAGES,
    RUN,
    SPEC_KEPT,
    history,
    summary,
    uncovered,
)

_OF_SESSION = "session_id = r.session_id"
_OF_TALK = """(session_id = r.session_id
        OR (r.session_id IS NULL AND session_id IS NULL AND run_id = r.id))"""

# 1 worker, 2 runs, 3 their epochs
WORK = f"""
SELECT r.id, {RUN} AS run, r.epoch, r.owner, r.workspace_id, r.user_id, r.spec::text,
    (
        SELECT {EVENT}::text FROM run_events e
        WHERE e.run_id = r.id AND e.seq = r.epoch::bigint * 10000000 + 1
    ) AS begun,
    r.cancel_at IS NOT NULL AS cancel_asked,
    {history(f"{_OF_SESSION} AND run_id <> r.id AND {uncovered(_OF_SESSION)}")} AS history,
    (
        SELECT {MESSAGES} FROM messages m
        WHERE m.run_id = r.id AND m.session_id IS NOT DISTINCT FROM r.session_id
            AND (m.role = 'user' OR {uncovered(_OF_TALK)})
    ) AS steps,
    {summary(_OF_TALK)} AS summary
FROM unnest($2::uuid[], $3::integer[]) AS mine(id, epoch)
JOIN runs r ON r.id = mine.id AND r.epoch = mine.epoch AND r.owner = $1 AND r.status = 'running'
ORDER BY r.priority DESC, r.seq
"""  # noqa: S608  # pieces of our own, values are bound

# 1 run, 2 epoch, 3 its error. Its claim wrote the last event.
FAIL = f"""
WITH s AS (
    SELECT s.id FROM sessions s JOIN runs r ON r.session_id = s.id WHERE r.id = $1
    FOR NO KEY UPDATE OF s
), r AS (
    UPDATE runs r SET
        status = 'failed', owner = NULL, finished_at = now(), error = $3::text::jsonb,
        spec = {SPEC_KEPT}
    FROM (SELECT) AS nothing LEFT JOIN s ON true
    WHERE r.id = $1 AND r.epoch = $2 AND r.status = 'running'
    RETURNING r.*
), ended AS (
    SELECT id, epoch::bigint * 10000000 + 1 AS last_seq, 'run.failed' AS type, error AS data FROM r
), {ENDINGS}
SELECT next_queued(session_id)::text FROM r
"""  # noqa: S608  # pieces of our own, values are bound

# 1 run, 2 epoch, 3 StepRecord as JSON
COMMIT_STEP = f"""
WITH p AS (
    SELECT *, status IN ('completed', 'failed', 'cancelled') AS is_final
    FROM json_to_record($3::text::json) AS p(
        step integer, status text, usage jsonb, message jsonb, calls json, events jsonb,
        error jsonb, retried boolean, summary jsonb, covers uuid
    )
), s AS (
    SELECT s.id FROM sessions s JOIN runs r ON r.session_id = s.id WHERE r.id = $1
    FOR NO KEY UPDATE OF s
), r AS (
    UPDATE runs r SET
        step = p.step, status = p.status, usage = p.usage, error = p.error,
        attempt = r.attempt + p.retried::integer,
        stalls = CASE WHEN p.step > r.step THEN 0 ELSE r.stalls END,
        owner = CASE WHEN p.status = 'running' THEN r.owner END,
        finished_at = CASE WHEN p.is_final THEN now() END,
        spec = CASE WHEN p.is_final THEN {SPEC_KEPT} ELSE r.spec END
    FROM p LEFT JOIN s ON true
    WHERE r.id = $1 AND r.epoch = $2 AND r.status = 'running'
    RETURNING r.*
), told AS (
    INSERT INTO run_events (run_id, seq, type, data, at)
    SELECT r.id, (e->>'id')::bigint, e->'body'->>'type', (e->'body') - 'type',
        (e->>'at')::timestamptz
    FROM r, p, jsonb_array_elements(p.events) e
), spent AS (
    INSERT INTO usage (
        run_id, seq, at, workspace_id, user_id, agent_id, end_user, model, input_tokens,
        cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, estimated, cost
    )
    SELECT r.id, (e->>'id')::bigint, (e->>'at')::timestamptz, r.workspace_id, r.user_id,
        r.agent_id, r.end_user, e->'body'->>'model', u.*
    FROM r, p, jsonb_array_elements(p.events) e, jsonb_to_record(e->'body'->'usage') AS u(
        input_tokens bigint, cached_input_tokens bigint, output_tokens bigint,
        reasoning_tokens bigint, total_tokens bigint, estimated boolean, cost double precision
    )
    WHERE e->'body'->>'type' = 'usage'
), said AS (
    INSERT INTO messages (
        id, workspace_id, user_id, session_id, run_id, step, role, parts, citations, incomplete,
        created_at
    )
    SELECT (message->>'id')::uuid, r.workspace_id, r.user_id, r.session_id, r.id, r.step,
        message->>'role', message->'parts', message->'citations',
        (message->>'incomplete')::boolean, (message->>'created_at')::timestamptz
    FROM r, p WHERE message IS NOT NULL
), summarised AS (
    INSERT INTO messages (
        id, workspace_id, user_id, session_id, run_id, step, role, parts, covers, created_at
    )
    SELECT (summary->>'id')::uuid, r.workspace_id, r.user_id, r.session_id, r.id, -1,
        summary->>'role', summary->'parts', covered.seq, (summary->>'created_at')::timestamptz
    FROM r, p, messages covered WHERE summary IS NOT NULL AND covered.id = p.covers
), counted AS (
    UPDATE sessions SET message_count = message_count + 1, updated_at = now()
    FROM r, p
    WHERE sessions.id = r.session_id AND (p.message IS NOT NULL OR p.summary IS NOT NULL)
), wanted AS (
    INSERT INTO tool_calls (
        run_id, step, n, id, name, arguments, effect, state, idempotency_key
    )
    SELECT r.id, r.step, n - 1, c->>'id', c->>'name', c->'arguments', c->>'effect',
        CASE WHEN is_final THEN 'cancelled' ELSE 'pending' END,
        concat_ws('/', r.id, r.step, n - 1)
    FROM r, p, json_array_elements(p.calls) WITH ORDINALITY AS calls(c, n)
), dropped AS (
    UPDATE tool_calls t SET state = 'cancelled', finished_at = now()
    FROM r, p WHERE t.run_id = r.id AND p.is_final AND t.state IN ('pending', 'started')
)
SELECT cancel_at IS NOT NULL AS is_cancelled,
    CASE WHEN is_final THEN next_queued(session_id)::text END AS next
FROM r, p
"""  # noqa: S608  # pieces of our own, values are bound

# 1 run, 2 epoch, 3 call
START_CALL = """
WITH r AS (
    SELECT id FROM runs
    WHERE id = $1 AND epoch = $2 AND status = 'running' AND cancel_at IS NULL
    FOR SHARE
)
UPDATE tool_calls t SET
    state = 'started', epoch = $2, attempts = attempts + 1, started_at = coalesce(started_at, now())
FROM r
WHERE t.run_id = r.id AND t.id = $3
    AND (t.state = 'pending' OR (t.state = 'started' AND t.effect <> 'once' AND t.epoch < $2))
RETURNING t.attempts
"""

# as START_CALL
CALL_AS_IT_IS = """
SELECT r.cancel_at IS NOT NULL AS is_cancelled, t.attempts, t.epoch, t.state
FROM runs r JOIN tool_calls t ON t.run_id = r.id AND t.id = $3
WHERE r.id = $1 AND r.epoch = $2 AND r.status = 'running'
"""

# 1 run, 2 epoch, 3 call, 4 ToolResult as JSON, 5 Event as JSON
FINISH_CALL = """
WITH r AS (
    SELECT id, cancel_at FROM runs
    WHERE id = $1 AND epoch = $2 AND status = 'running'
    FOR SHARE
), t AS (
    UPDATE tool_calls t SET
        state = p.state, result = p.result, error = p.error, epoch = $2, finished_at = now()
    FROM r, json_to_record($4::text::json) AS p(state text, result json, error text)
    WHERE t.run_id = r.id AND t.id = $3 AND t.state IN ('pending', 'started')
    RETURNING t.run_id
), told AS (
    INSERT INTO run_events (run_id, seq, type, data, at)
    SELECT t.run_id, (e->>'id')::bigint, e->'body'->>'type', (e->'body') - 'type',
        (e->>'at')::timestamptz
    FROM t, (SELECT $5::text::jsonb AS e) AS event
)
SELECT r.cancel_at IS NOT NULL AS is_cancelled FROM r JOIN t ON t.run_id = r.id
"""

# 1 run, 2 an event of ours
WRITTEN_BEFORE = """
SELECT r.cancel_at IS NOT NULL AS is_cancelled, CASE
    WHEN r.status IN ('completed', 'failed', 'cancelled') THEN next_queued(r.session_id)::text
END AS next
FROM runs r JOIN run_events e ON e.run_id = r.id AND e.seq = $2
WHERE r.id = $1
"""

# 1 run, 2 epoch
HAND_OVER = "UPDATE runs SET owner = NULL WHERE id = $1 AND epoch = $2 AND status = 'running'"
