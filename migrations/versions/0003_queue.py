"""What the queue of runs asks of the rows: who is next, who is before me, and is there room.

A statement that waited for its session's lock still sees everything else as it was when it began;
a volatile function looks anew. https://www.postgresql.org/docs/current/xfunc-volatility.html

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CREATE = (
    "CREATE INDEX runs_queued ON runs (seq) WHERE status = 'queued'",
    "CREATE INDEX runs_user_queue ON runs (user_id) WHERE status = 'queued'",
    """
    CREATE INDEX runs_ready ON runs (priority DESC, seq)
      WHERE status = 'waiting' AND ready_at IS NOT NULL
    """,
    # the end users of an application take turns of their own
    """
    CREATE FUNCTION queue_entry(id uuid, priority smallint, user_id uuid, end_user text)
    RETURNS json STABLE LANGUAGE sql AS $$
      SELECT json_build_object('id', id, 'priority', priority, 'user_id', user_id,
        'end_user', CASE WHEN EXISTS (
          SELECT FROM users u
          WHERE u.id = queue_entry.user_id AND u.settings @> '{"application": true}'
        ) THEN end_user END)
    $$
    """,
    # of a free session the oldest, of a busy one none
    """
    CREATE FUNCTION next_queued(session uuid) RETURNS json LANGUAGE plpgsql AS $$
    BEGIN
      RETURN (
        SELECT queue_entry(q.id, q.priority, q.user_id, q.end_user) FROM runs q
        WHERE q.session_id = session AND q.status = 'queued' AND NOT EXISTS (
          SELECT FROM runs a WHERE a.session_id = session AND a.status IN ('running', 'waiting')
        )
        ORDER BY q.seq LIMIT 1);
    END $$
    """,
    """
    CREATE FUNCTION session_line(session uuid, OUT is_busy bool, OUT queued bigint)
    LANGUAGE plpgsql AS $$
    BEGIN
      queued := (
        SELECT count(*) FROM runs q WHERE q.session_id = session AND q.status = 'queued');
      is_busy := queued > 0 OR EXISTS (
        SELECT FROM runs a WHERE a.session_id = session AND a.status IN ('running', 'waiting'));
    END $$
    """,
    # those who ask at once for one user are counted one after another
    """
    CREATE FUNCTION queue_has_room(asking uuid, most integer) RETURNS bool LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock(8, hashtext(asking::text));
      RETURN (
        SELECT count(*) < most FROM runs q WHERE q.user_id = asking AND q.status = 'queued');
    END $$
    """,
)
DROP = (
    "DROP FUNCTION queue_has_room, session_line, next_queued, queue_entry",
    "DROP INDEX runs_ready, runs_user_queue, runs_queued",
)


def upgrade() -> None:
    for statement in CREATE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DROP:
        op.execute(statement)
