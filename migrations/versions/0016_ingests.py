"""No document stays open when its task has ended, however that comes.

A document's `task_id` is the task that it waits for or that indexes it. When that ends, is cancelled or
deleted, and the document is not indexed, it has failed.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

LOST = (
    '{"code": "index_lost", "retryable": true,'
    ' "detail": "What was to index it ended without having done so: index it again."}'
)
LIVE = "('queued', 'parked', 'running')"

UP = (
    "DROP TRIGGER tasks_ingest_failed ON tasks",
    "DROP FUNCTION ingest_failed()",
    # the payload is whatever its user wrote: an error in here would keep the task from ending
    """
    CREATE FUNCTION ingest_document(payload json) RETURNS uuid LANGUAGE plpgsql AS $$
    BEGIN
      RETURN (payload->>'document_id')::uuid;
    EXCEPTION WHEN data_exception THEN
      RETURN NULL;
    END $$
    """,
    f"""
    CREATE FUNCTION ingest_ended() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    DECLARE
      task tasks;
      failed documents;
    BEGIN
      IF TG_OP = 'DELETE' THEN task := OLD; ELSE task := NEW; END IF;
      UPDATE documents
      SET status = 'failed', error = coalesce(task.error, '{LOST}'), version = version + 1
      WHERE id = ingest_document(task.payload) AND status IN ('uploaded', 'processing')
        AND (task_id = task.id OR task_id IS NULL AND user_id = task.user_id)
      RETURNING * INTO failed;
      DELETE FROM chunks WHERE document_id = failed.id AND index_version <> failed.index_version;
      DELETE FROM indexes WHERE document_id = failed.id AND version <> failed.index_version;
      RETURN NULL;
    END $$
    """,  # noqa: S608  # pieces of our own
    f"""
    CREATE TRIGGER tasks_ingest_ended AFTER UPDATE ON tasks FOR EACH ROW
    WHEN (NEW.kind = 'ingest' AND OLD.status IN {LIVE} AND NEW.status NOT IN {LIVE})
    EXECUTE FUNCTION ingest_ended()
    """,
    f"""
    CREATE TRIGGER tasks_ingest_deleted AFTER DELETE ON tasks FOR EACH ROW
    WHEN (OLD.kind = 'ingest' AND OLD.status IN {LIVE})
    EXECUTE FUNCTION ingest_ended()
    """,
    f"""
    UPDATE documents d SET status = 'failed', error = '{LOST}', version = version + 1
    WHERE status IN ('uploaded', 'processing') AND NOT EXISTS (
      SELECT FROM tasks t WHERE t.kind = 'ingest' AND t.user_id = d.user_id AND t.status IN {LIVE}
        AND (t.id = d.task_id OR ingest_document(t.payload) = d.id))
    """,  # noqa: S608  # pieces of our own
)
DOWN = (
    "DROP TRIGGER tasks_ingest_deleted ON tasks",
    "DROP TRIGGER tasks_ingest_ended ON tasks",
    "DROP FUNCTION ingest_ended()",
    "DROP FUNCTION ingest_document(json)",
    """
    CREATE FUNCTION ingest_failed() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE failed documents;
    BEGIN
      UPDATE documents SET status = 'failed', error = NEW.error, version = version + 1
      WHERE user_id = NEW.user_id AND id::text = lower(NEW.payload->>'document_id')
        AND status IN ('uploaded', 'processing') AND coalesce(task_id, NEW.id) = NEW.id
      RETURNING * INTO failed;
      DELETE FROM chunks
      WHERE document_id = failed.id AND index_version <> failed.index_version;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER tasks_ingest_failed AFTER UPDATE ON tasks FOR EACH ROW
    WHEN (NEW.kind = 'ingest' AND NEW.status <> OLD.status AND NEW.status NOT IN {LIVE})
    EXECUTE FUNCTION ingest_failed()
    """,
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
