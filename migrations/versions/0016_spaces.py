"""Which spaces of vectors there are, and how far indexes are embedded in them.

The vectors themselves are in a table per space, made when it is first needed: pgvector may be missing, and
the width of its columns is the model's.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE spaces (
      id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
      recipe jsonb NOT NULL,
      width integer NOT NULL,
      wanted boolean NOT NULL DEFAULT false,
      in_use boolean NOT NULL DEFAULT false,
      seen_at timestamptz NOT NULL DEFAULT now())
    """,
    "CREATE UNIQUE INDEX spaces_recipe ON spaces (recipe, width)",
    """
    CREATE TABLE embedded (
      space_id integer NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
      index_no integer NOT NULL REFERENCES indexes (no) ON DELETE CASCADE,
      finished boolean NOT NULL DEFAULT false,
      claimed_until timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (space_id, index_no))
    """,
    "CREATE INDEX embedded_index ON embedded (index_no)",
    # no foreign key: to drop a space would take a lock on `indexes` that every search waits for
    """
    CREATE FUNCTION forget_vectors() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    DECLARE space integer;
    BEGIN
      FOR space IN SELECT id FROM spaces LOOP
        BEGIN
          EXECUTE format(
            'DELETE FROM vectors_%s v USING gone WHERE v.index_no = gone.no', space);
        EXCEPTION WHEN undefined_table THEN NULL;
        END;
      END LOOP;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER forget_vectors AFTER DELETE ON indexes
      REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_vectors()
    """,
)
DOWN = (
    "DROP TRIGGER forget_vectors ON indexes",
    "DROP FUNCTION forget_vectors()",
    """
    DO $$
    DECLARE space integer;
    BEGIN
      FOR space IN SELECT id FROM spaces LOOP
        EXECUTE format('DROP TABLE IF EXISTS vectors_%s', space);
      END LOOP;
    END $$
    """,
    "DROP TABLE embedded, spaces",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
