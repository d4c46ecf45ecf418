"""Tasks, and their attempts but for the last, which is in the task's own row.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE tasks (
      id uuid PRIMARY KEY,
      seq bigint GENERATED ALWAYS AS IDENTITY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      end_user text,
      kind text NOT NULL,
      payload json NOT NULL,
      status text NOT NULL DEFAULT 'queued',
      priority smallint NOT NULL DEFAULT 5,
      attempt integer NOT NULL DEFAULT 0,
      spared integer NOT NULL DEFAULT 0,
      max_attempts integer NOT NULL,
      timeout_s double precision NOT NULL,
      unique_key text,
      due_at timestamptz NOT NULL DEFAULT now(),
      owner uuid,
      claimed_at timestamptz,
      cancel_at timestamptz,
      cut_short boolean NOT NULL DEFAULT false,
      progress json,
      result json,
      error jsonb,
      metadata jsonb NOT NULL DEFAULT '{}',
      traceparent text,
      created_at timestamptz NOT NULL DEFAULT now(),
      finished_at timestamptz)
    """,
    """
    CREATE TABLE task_attempts (
      task_id uuid REFERENCES tasks (id) ON DELETE CASCADE,
      number integer,
      started_at timestamptz NOT NULL,
      finished_at timestamptz NOT NULL DEFAULT now(),
      error jsonb,
      PRIMARY KEY (task_id, number))
    """,
    "CREATE INDEX tasks_queued ON tasks (seq) WHERE status = 'queued'",
    "CREATE INDEX tasks_parked ON tasks (kind, user_id, seq) WHERE status = 'parked'",
    "CREATE INDEX tasks_running ON tasks (owner) WHERE status = 'running'",
    "CREATE INDEX tasks_waiting ON tasks (user_id) WHERE status IN ('queued', 'parked')",
    """
    CREATE UNIQUE INDEX tasks_unique_key
      ON tasks (workspace_id, user_id, coalesce(end_user, ''), unique_key)
      WHERE unique_key IS NOT NULL AND status IN ('queued', 'parked', 'running')
    """,
    "CREATE INDEX tasks_user ON tasks (workspace_id, user_id, id DESC)",
    # those who enqueue at once for one user are counted one after another
    """
    CREATE FUNCTION tasks_waiting_of(asking uuid) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock(9, hashtext(asking::text));
      RETURN (
        SELECT count(*) FROM tasks t
        WHERE t.user_id = asking AND t.status IN ('queued', 'parked'));
    END $$
    """,
)
DOWN = ("DROP FUNCTION tasks_waiting_of", "DROP TABLE task_attempts, tasks")


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
