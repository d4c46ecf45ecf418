"""Summaries: `covers` is the number of the last message that one stands for.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = (
    "ALTER TABLE messages ADD COLUMN covers bigint",
    """
    CREATE INDEX messages_session_summary ON messages (session_id, seq)
      WHERE covers IS NOT NULL
    """,
    "CREATE INDEX messages_run_summary ON messages (run_id, seq) WHERE covers IS NOT NULL",
)
DOWN = (
    "DROP INDEX messages_run_summary",
    "DROP INDEX messages_session_summary",
    "DELETE FROM messages WHERE covers IS NOT NULL",
    "ALTER TABLE messages DROP COLUMN covers",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
