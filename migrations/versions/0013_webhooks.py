"""Webhooks, and triggers that enqueue a delivery wherever a run or a task ends.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WAITING = """
CREATE OR REPLACE FUNCTION tasks_waiting_of(asking uuid) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(9, hashtext(asking::text));
  RETURN (
    SELECT count(*) FROM tasks t
    WHERE t.user_id = asking AND t.status IN ('queued', 'parked'){also});
END $$
"""

UP = (
    """
    CREATE TABLE webhooks (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      url text NOT NULL,
      events jsonb NOT NULL,
      description text NOT NULL,
      status text NOT NULL,
      secret bytea NOT NULL,
      previous_secret bytea,
      previous_until timestamptz,
      failing_since timestamptz,
      disabled_at timestamptz,
      disabled_reason text,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now())
    """,
    "CREATE INDEX webhooks_user ON webhooks (user_id, id DESC)",
    "CREATE INDEX webhooks_workspace ON webhooks (workspace_id, id DESC)",
    "ALTER TABLE tasks ADD COLUMN webhook_id uuid",
    "CREATE INDEX tasks_webhook ON tasks (webhook_id, id DESC) WHERE webhook_id IS NOT NULL",
    WAITING.format(also=" AND t.webhook_id IS NULL"),
    # https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
    """
    CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
      SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6
      ), 52, 1), 53, 1), 'hex')::uuid
    $$
    """,
    """
    CREATE FUNCTION tell_webhooks(whose uuid, type text, data json) RETURNS void
    LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO tasks (
        id, workspace_id, user_id, kind, payload, max_attempts, timeout_s, webhook_id)
      SELECT new_id(), w.workspace_id, w.user_id, 'webhook',
        json_build_object('type', type, 'timestamp', now(), 'data', data), 10, 30, w.id
      FROM webhooks w
      WHERE w.user_id = whose AND w.status = 'active'
        AND w.events ?| ARRAY[type, '*'];
    END $$
    """,
    # most users have no webhook: that is all that most endings cost
    """
    CREATE FUNCTION run_told() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM webhooks WHERE user_id = NEW.user_id) THEN
        PERFORM tell_webhooks(NEW.user_id, 'run.' || NEW.status, json_build_object(
          'run_id', NEW.id, 'session_id', NEW.session_id, 'agent_id', NEW.agent_id,
          'status', NEW.status, 'end_user', NEW.end_user, 'error', NEW.error,
          'metadata', NEW.metadata));
      END IF;
      RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION task_told() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM webhooks WHERE user_id = NEW.user_id) THEN
        PERFORM tell_webhooks(NEW.user_id, 'task.' || NEW.status, json_build_object(
          'task_id', NEW.id, 'kind', NEW.kind, 'status', NEW.status,
          'unique_key', NEW.unique_key, 'end_user', NEW.end_user, 'error', NEW.error,
          'metadata', NEW.metadata));
      END IF;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER runs_told AFTER UPDATE ON runs FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND NEW.status IN ('completed', 'failed', 'cancelled', 'waiting'))
    EXECUTE FUNCTION run_told()
    """,
    # a delivery is not told of: it would be told of for ever
    """
    CREATE TRIGGER tasks_told AFTER UPDATE ON tasks FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND NEW.status IN ('succeeded', 'dead', 'cancelled')
      AND NEW.kind <> 'webhook')
    EXECUTE FUNCTION task_told()
    """,
)
DOWN = (
    "DROP TRIGGER tasks_told ON tasks",
    "DROP TRIGGER runs_told ON runs",
    "DROP FUNCTION task_told, run_told, tell_webhooks, new_id",
    WAITING.format(also=""),
    "ALTER TABLE tasks DROP COLUMN webhook_id",
    "DROP TABLE webhooks",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
