"""The audit log forgets what is old, and tells the use of a key by the hour and the address.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = (
    "CREATE INDEX audit_at ON audit USING brin (at)",
    "DROP TRIGGER audit_is_append_only ON audit",
    """
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR TRUNCATE ON audit
      FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
    # whatever a server is configured to, nobody takes away the last month
    """
    CREATE TRIGGER audit_keeps_a_month BEFORE DELETE ON audit FOR EACH ROW
      WHEN (OLD.at > now() - interval '30 days') EXECUTE FUNCTION audit_is_append_only()
    """,
    # as its owner, so that the application's role needs no right to delete
    """
    CREATE FUNCTION audit_sweep(keep interval, most integer) RETURNS bigint LANGUAGE sql
      SECURITY DEFINER SET search_path = polyagent, pg_temp
    AS $$
      WITH old AS (
        SELECT id FROM audit WHERE at < now() - greatest(keep, interval '30 days')
        LIMIT most FOR UPDATE SKIP LOCKED
      ), gone AS (
        DELETE FROM audit WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1
      )
      SELECT count(*) FROM gone
    $$
    """,
    "ALTER TABLE api_keys ADD noted_at timestamptz, ADD noted_client text",
)
DOWN = (
    "ALTER TABLE api_keys DROP noted_at, DROP noted_client",
    "DROP FUNCTION audit_sweep",
    "DROP TRIGGER audit_keeps_a_month ON audit",
    "DROP TRIGGER audit_is_append_only ON audit",
    """
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
      FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
    "DROP INDEX audit_at",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
