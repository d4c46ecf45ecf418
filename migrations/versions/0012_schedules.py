"""Schedules, and the instants that tasks were made for.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE schedules (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      name text NOT NULL,
      cron text NOT NULL,
      timezone text NOT NULL,
      task json NOT NULL,
      enabled boolean NOT NULL DEFAULT true,
      catch_up text NOT NULL DEFAULT 'skip',
      end_at timestamptz,
      next_fire_at timestamptz,
      last_fire_at timestamptz,
      last_task_id uuid,
      version integer NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now())
    """,
    "CREATE UNIQUE INDEX schedules_name_key ON schedules (workspace_id, user_id, name)",
    """
    CREATE INDEX schedules_due ON schedules (next_fire_at, id)
      WHERE next_fire_at IS NOT NULL
    """,
    "ALTER TABLE tasks ADD COLUMN schedule_id uuid, ADD COLUMN fire_at timestamptz",
    # an instant of a schedule fires once, whatever became of the schedule's row or of the clock
    """
    CREATE UNIQUE INDEX tasks_fire ON tasks (schedule_id, fire_at)
      WHERE fire_at IS NOT NULL
    """,
)
DOWN = (
    "DROP INDEX tasks_fire",
    "ALTER TABLE tasks DROP COLUMN schedule_id, DROP COLUMN fire_at",
    "DROP TABLE schedules",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
