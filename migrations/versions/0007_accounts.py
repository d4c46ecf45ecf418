"""Refresh tokens, a family for each login, and API keys: both known by hashes; users of other issuers; the audit log.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE token_families (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      family_hash bytea NOT NULL,
      token_hash bytea NOT NULL,
      previous_hash bytea,
      successor_key bytea,
      created_at timestamptz NOT NULL DEFAULT now(),
      rotated_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      revoked_at timestamptz)
    """,
    "CREATE UNIQUE INDEX token_families_hash_key ON token_families (family_hash)",
    "CREATE INDEX token_families_user ON token_families (user_id)",
    "CREATE INDEX token_families_expiry ON token_families (expires_at)",
    """
    CREATE TABLE api_keys (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      name text NOT NULL,
      scopes jsonb NOT NULL,
      secret_hash bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz,
      last_used_at timestamptz)
    """,
    """
    CREATE TABLE identities (
      workspace_id uuid NOT NULL,
      issuer text NOT NULL,
      subject text NOT NULL,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (workspace_id, issuer, subject))
    """,
    """
    CREATE TABLE audit (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      actor_id uuid,
      action text NOT NULL,
      outcome text NOT NULL,
      object text,
      client text,
      details jsonb NOT NULL DEFAULT '{}')
    """,
    "CREATE INDEX audit_workspace ON audit (workspace_id, id DESC)",
    # the role that owns the tables cannot be denied by a grant
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
      FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
    "REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM PUBLIC",
    "CREATE INDEX identities_user ON identities (user_id)",
    "CREATE INDEX api_keys_user ON api_keys (workspace_id, user_id, id DESC)",
)
DOWN = (
    "DROP TABLE audit, identities, api_keys, token_families",
    "DROP FUNCTION audit_is_append_only",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
