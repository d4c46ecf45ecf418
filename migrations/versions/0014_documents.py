"""Documents and their chunks.

Chunks are written under the number of the index that is being built; those of the document's
`index_version` are the ones that count. A build that a newer one has overtaken writes nothing more.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

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
    # the payload is whatever its user wrote: a cast to uuid could fail the end of the task
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
    WHEN (NEW.kind = 'ingest' AND NEW.status <> OLD.status AND NEW.status IN ('dead', 'cancelled'))
    EXECUTE FUNCTION ingest_failed()
    """,
)
DOWN = (
    "DROP TRIGGER tasks_ingest_failed ON tasks",
    "DROP FUNCTION ingest_failed",
    "DROP TABLE chunks, documents",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
