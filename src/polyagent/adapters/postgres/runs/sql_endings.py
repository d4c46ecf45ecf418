"""The end of runs that nobody executes: a piece of the statements that end them."""

# Goes on from `ended(id, last_seq, type, data)`: runs that have just ended, whose rows are locked, with
# their last event so far and their final one. Each call that is open is told as cancelled before it.
ENDINGS = """dropped AS (
    UPDATE tool_calls t SET state = 'cancelled', finished_at = now()
    FROM ended WHERE t.run_id = ended.id AND t.state IN ('pending', 'started')
    RETURNING t.run_id, t.step, t.n, t.id
), endings AS (
    INSERT INTO run_events (run_id, seq, type, data, at)
    SELECT ended.id,
        last_seq + row_number() OVER (PARTITION BY ended.id ORDER BY is_final, step, n),
        told.type, told.data, now()
    FROM ended JOIN (
        SELECT run_id, step, n, false AS is_final, 'tool.completed' AS type,
            jsonb_build_object('tool_call_id', id, 'state', 'cancelled') AS data
        FROM dropped
        UNION ALL
        SELECT id, NULL, NULL, true, type, data FROM ended
    ) told ON told.run_id = ended.id
)"""
