"""Which chunks have which terms.

A shelf is what is filtered by: a workspace, whose (nobody: shared with all of it) and which collection.
It leads the key of the postings, so that a search reads, and counts, only what its user may see. An index
is one build of one document; deleting it, or its document, takes its postings with it.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE shelves (
      id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
      workspace_id uuid NOT NULL,
      user_id uuid REFERENCES users (id) ON DELETE CASCADE,
      collection text)
    """,
    """
    CREATE UNIQUE INDEX shelves_key
      ON shelves (workspace_id, user_id, collection) NULLS NOT DISTINCT
    """,
    """
    CREATE TABLE indexes (
      no integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
      document_id uuid NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
      version integer NOT NULL,
      shelf_id integer NOT NULL REFERENCES shelves (id) ON DELETE CASCADE,
      in_use boolean NOT NULL DEFAULT false,
      chunks integer NOT NULL DEFAULT 0,
      length bigint NOT NULL DEFAULT 0)
    """,
    "CREATE UNIQUE INDEX indexes_build ON indexes (document_id, version)",
    "CREATE INDEX indexes_shelf ON indexes (shelf_id, in_use) INCLUDE (no, chunks, length)",
    # no foreign key: it would be looked up for each of a document's thousands of postings
    """
    CREATE TABLE postings (
      shelf_id integer NOT NULL,
      term text COLLATE "C" NOT NULL,
      index_no integer NOT NULL,
      n integer NOT NULL,
      tf integer NOT NULL,
      length integer NOT NULL)
    """,
    """
    CREATE UNIQUE INDEX postings_term
      ON postings (shelf_id, term, index_no, n) INCLUDE (tf, length)
    """,
    "CREATE INDEX postings_index ON postings (index_no)",
    """
    CREATE FUNCTION forget_postings() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    BEGIN
      DELETE FROM postings p USING gone WHERE p.index_no = gone.no;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER forget_postings AFTER DELETE ON indexes
      REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_postings()
    """,
)
DOWN = (
    "DROP TRIGGER forget_postings ON indexes",
    "DROP FUNCTION forget_postings()",
    "DROP TABLE postings, indexes, shelves",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
