"""Rows as the JSON that the domain's Structs decode from: pieces of the statements beside this file."""

RUN = """json_build_object(
    'id', r.id, 'session_id', r.session_id, 'parent_id', r.parent_id,
    'agent_id', r.agent_id, 'agent_version', r.agent_version,
    'status', r.status, 'priority', r.priority, 'attempt', r.attempt, 'step', r.step,
    'position', CASE WHEN r.status = 'queued' THEN 1 + (
        SELECT count(*) FROM runs p
        WHERE p.session_id = r.session_id AND p.status = 'queued' AND p.seq < r.seq
    ) END,
    'message_id', r.message_id, 'usage', r.usage, 'error', r.error, 'metadata', r.metadata,
    'created_at', r.created_at, 'started_at', r.started_at, 'finished_at', r.finished_at
)::text"""

# What is kept of a spec once its run has ended. Few have what goes, and an UPDATE that sets the very
# value that was there does not write it out again.
SPEC_KEPT = """(
    CASE WHEN r.spec::jsonb ?| '{given,client_tools}'
        THEN (r.spec::jsonb - '{given,client_tools}'::text[])::json ELSE r.spec END
)"""

MESSAGE = """json_build_object(
    'id', m.id, 'session_id', m.session_id, 'run_id', m.run_id, 'role', m.role,
    'parts', m.parts, 'citations', m.citations, 'incomplete', m.incomplete,
    'created_at', m.created_at,
    'tool_calls', coalesce(m.tool_calls, (
        SELECT coalesce(json_agg(json_build_object(
            'id', c.id, 'name', c.name, 'arguments', c.arguments, 'effect', c.effect,
            'state', c.state, 'result', c.result, 'error', c.error
        ) ORDER BY c.n), '[]')
        FROM tool_calls c WHERE c.run_id = m.run_id AND c.step = m.step
    ))
)"""

EVENT = """json_build_object(
    'id', e.seq, 'run_id', r.id, 'session_id', r.session_id, 'at', e.at,
    'body', jsonb_build_object('type', e.type) || e.data
)"""

MESSAGES = f"""coalesce(json_agg({MESSAGE} ORDER BY m.seq), '[]')::text"""

HISTORY_MESSAGES = 400
HISTORY_BYTES = 16 * 1024 * 1024

# What is small on disk is not written out to be measured.
_SIZE = """(
    CASE WHEN pg_column_size(parts) < 2000 THEN 2000 ELSE octet_length(parts::text) END
    + CASE WHEN role = 'assistant' THEN (
        SELECT coalesce(sum(octet_length(c.result::text)), 0) FROM tool_calls c
        WHERE c.run_id = stored.run_id AND c.step = stored.step
    ) ELSE 0 END
)"""


def summary(condition: str) -> str:
    """Return a query for the newest summary among the messages that meet a condition."""
    return f"""(
        SELECT {MESSAGE}::text FROM (
            SELECT * FROM messages WHERE {condition} AND covers IS NOT NULL
            ORDER BY seq DESC LIMIT 1
        ) m
    )"""  # noqa: S608  # pieces of our own


def uncovered(condition: str) -> str:
    """Return the condition that a message is none of those, and that no summary stands for it."""
    return f"""covers IS NULL AND seq > coalesce((
        SELECT covers FROM messages WHERE {condition} AND covers IS NOT NULL
        ORDER BY seq DESC LIMIT 1
    ), 0)"""  # noqa: S608  # pieces of our own


# What a user sent that is larger than a long text, images above all, has a share of its own, which
# the largest message fits (limits.images_bytes as base64). Beyond it a note stands for the message.
_HEAVY_BYTES = 256 * 1024
_HEAVY_SHARE = 12 * 1024 * 1024
_NOTE_BYTES = 100
_NOTE = """'[{"type": "text", "text": "[What the user sent here is too large to be sent again.]"}]'::jsonb"""


def history(condition: str) -> str:
    """Return a query for the newest messages that meet a condition, as many as `HISTORY_BYTES` hold.

    A value of more than a gigabyte is an error of PostgreSQL's, and far less is too much for a process.
    Their size on disk is known without reading them, so it leaves out most of what is too much.
    """
    return f"""(
        SELECT {MESSAGES} FROM (
            SELECT *, sum({_SIZE}) OVER (ORDER BY seq DESC) AS size_bytes FROM (
                SELECT id, session_id, run_id, step, seq, role, citations, tool_calls, incomplete,
                    created_at, CASE WHEN is_told THEN parts ELSE {_NOTE} END AS parts,
                    sum(CASE WHEN is_told THEN stored_size ELSE {_NOTE_BYTES} END)
                        OVER (ORDER BY seq DESC) AS stored_bytes
                FROM (
                    SELECT *, NOT is_heavy OR sum(CASE WHEN is_heavy THEN stored_size ELSE 0 END)
                        OVER (ORDER BY seq DESC) <= {_HEAVY_SHARE} AS is_told
                    FROM (
                        SELECT *, pg_column_size(parts) AS stored_size,
                            role = 'user' AND pg_column_size(parts) > {_HEAVY_BYTES} AS is_heavy
                        FROM messages WHERE {condition}
                        ORDER BY seq DESC LIMIT {HISTORY_MESSAGES}
                    ) newest
                ) weighed
            ) stored WHERE stored_bytes <= {HISTORY_BYTES}
        ) m WHERE size_bytes <= {HISTORY_BYTES}
    )"""  # noqa: S608  # pieces of our own
