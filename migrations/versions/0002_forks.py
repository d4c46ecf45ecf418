"""Forked sessions, versions of sessions, keys whose answer is not there yet, and what is to be swept.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = (
    # the calls of a message that was copied, as they stood then
    "ALTER TABLE messages ADD COLUMN tool_calls jsonb",
    "ALTER TABLE sessions ADD COLUMN version int NOT NULL DEFAULT 1",
    # who works on the answer
    "ALTER TABLE idempotency_keys ADD COLUMN holder uuid",
    "CREATE INDEX sessions_deleted ON sessions (deleted_at) WHERE deleted_at IS NOT NULL",
)
DOWN = (
    "DROP INDEX sessions_deleted",
    "ALTER TABLE idempotency_keys DROP COLUMN holder",
    "ALTER TABLE sessions DROP COLUMN version",
    "ALTER TABLE messages DROP COLUMN tool_calls",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
