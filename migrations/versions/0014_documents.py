"""Documents and their chunks.

Chunks are written under the number of the index that is being built; those of the document's
`index_version` are the ones that count. A build that a newer one has overtaken writes nothing more.

A document's `task_id` is the task that it waits for or that indexes it. When that ends, is cancelled or
deleted, and the document is not indexed, it has failed.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LOST = (
    '{"code": "index_lost", "retryable": true,'
    ' "detail": "What was to index it ended without having done so: index it again."}'
)
LIVE = "('queued', 'parked', 'running')"

UP = (
    """
    CREATE TABLE documents (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      filename text NOT NULL,
      content_type text NOT NULL,
      size_bytes bigint NOT NULL,
      sha256 text NOT NULL,
      blob text NOT NULL,
      status text NOT NULL DEFAULT 'uploaded',
      error jsonb,
      progress double precision NOT NULL DEFAULT 0,
      chunk_count integer NOT NULL DEFAULT 0,
      collection text,
      visibility text NOT NULL,
      metadata jsonb NOT NULL DEFAULT '{}',
      version integer NOT NULL DEFAULT 1,
      build integer NOT NULL DEFAULT 0,
      index_version integer NOT NULL DEFAULT 0,
      task_id uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      indexed_at timestamptz)
    """,
    """
    CREATE UNIQUE INDEX documents_same
      ON documents (workspace_id, user_id, sha256, coalesce(collection, ''))
    """,
    "CREATE INDEX documents_user ON documents (user_id, id DESC)",
    "CREATE INDEX documents_workspace ON documents (workspace_id, id DESC)",
    "CREATE UNIQUE INDEX documents_blob ON documents (blob)",
    """
    CREATE TABLE chunks (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      document_id uuid NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
      index_version integer NOT NULL,
      n integer NOT NULL,
      text text NOT NULL,
      page integer,
      start_at integer NOT NULL,
      end_at integer NOT NULL,
      headings jsonb NOT NULL DEFAULT '[]',
      tokens integer NOT NULL)
    """,
    "CREATE UNIQUE INDEX chunks_place ON chunks (document_id, index_version, n)",
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
)
DOWN = (
    "DROP TRIGGER tasks_ingest_deleted ON tasks",
    "DROP TRIGGER tasks_ingest_ended ON tasks",
    "DROP FUNCTION ingest_ended()",
    "DROP FUNCTION ingest_document(json)",
    "DROP TABLE chunks, documents",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
