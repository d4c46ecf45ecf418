"""Lists of runs by status and end user, and of sessions by end user, without reading all of a user's.

Runs that are to end well, as most do, pay nothing for the first: `completed` is found along the ids.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = (
    "CREATE INDEX runs_unhappy ON runs (workspace_id, user_id, status, id DESC)"
    " WHERE status IN ('failed', 'cancelled')",
    "CREATE INDEX runs_end_user ON runs (workspace_id, end_user, id DESC)"
    " WHERE end_user IS NOT NULL",
    "CREATE INDEX sessions_end_user ON sessions (workspace_id, end_user, id DESC)"
    " WHERE end_user IS NOT NULL AND deleted_at IS NULL",
)
DOWN = (
    "DROP INDEX sessions_end_user",
    "DROP INDEX runs_end_user",
    "DROP INDEX runs_unhappy",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
