"""How many more runs of a user may execute, asked of the rows: while the queue is away nothing else counts them.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = (
    # the end users of an application take turns of their own
    """
    CREATE FUNCTION whose_turn(asking uuid, end_user text) RETURNS text STABLE LANGUAGE sql AS $$
      SELECT CASE WHEN end_user IS NOT NULL AND EXISTS (
        SELECT FROM users u WHERE u.id = asking AND u.settings @> '{"application": true}'
      ) THEN end_user END
    $$
    """,
    # volatile, to look anew: none for those who come while another counts, so that nobody waits
    """
    CREATE FUNCTION user_room(asking uuid, whose text, most integer) RETURNS bigint
    LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT pg_try_advisory_xact_lock(9, hashtext(concat_ws(':', asking, whose))) THEN
        RETURN 0;
      END IF;
      RETURN most - (
        SELECT count(*) FROM runs q
        WHERE q.user_id = asking AND q.status = 'running'
          AND whose_turn(q.user_id, q.end_user) IS NOT DISTINCT FROM whose);
    END $$
    """,
)
DOWN = ("DROP FUNCTION user_room, whose_turn",)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
