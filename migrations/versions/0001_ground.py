"""Accounts, agents, sessions, and the journal of runs.

What a run writes on its way (events, messages, calls) has no foreign keys: it is inserted by
statements that lock the run's row, and each key would be looked up once more on a chat's path.

Revision ID: 0001
Revises: none
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORKSPACE = "00000000-0000-7000-8000-000000000001"

CREATE = (
    """
    CREATE TABLE workspaces (
      id uuid PRIMARY KEY,
      name text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now())
    """,
    f"INSERT INTO workspaces (id, name) VALUES ('{WORKSPACE}', 'default')",  # noqa: S608 - a constant
    """
    CREATE TABLE users (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL REFERENCES workspaces (id),
      username text NOT NULL,
      email text NOT NULL,
      role text NOT NULL CHECK (role IN ('viewer', 'member', 'admin')),
      status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
      password_hash text NOT NULL,
      session_version int NOT NULL DEFAULT 1,
      settings jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      last_login_at timestamptz)
    """,
    "CREATE UNIQUE INDEX users_username_key ON users (workspace_id, lower(username))",
    "CREATE UNIQUE INDEX users_email_key ON users (workspace_id, lower(email))",
    """
    CREATE TABLE agents (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      name text NOT NULL,
      type text NOT NULL,
      visibility text NOT NULL,
      status text NOT NULL,
      version int NOT NULL,
      builtin bool NOT NULL DEFAULT false,
      body jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      deleted_at timestamptz)
    """,
    """
    CREATE UNIQUE INDEX agents_name_key ON agents (workspace_id, user_id, name)
      WHERE deleted_at IS NULL
    """,
    "CREATE INDEX agents_workspace ON agents (workspace_id, id DESC) WHERE deleted_at IS NULL",
    """
    CREATE TABLE agent_versions (
      agent_id uuid NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
      version int NOT NULL,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      body jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (agent_id, version))
    """,
    """
    CREATE TABLE sessions (
      id uuid PRIMARY KEY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      end_user text,
      agent_id uuid,
      title text,
      metadata jsonb NOT NULL DEFAULT '{}',
      message_count int NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      deleted_at timestamptz)
    """,
    """
    CREATE INDEX sessions_user ON sessions (workspace_id, user_id, id DESC)
      WHERE deleted_at IS NULL
    """,
    """
    CREATE TABLE runs (
      id uuid PRIMARY KEY,
      seq bigint GENERATED ALWAYS AS IDENTITY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      end_user text,
      session_id uuid,
      parent_id uuid,
      agent_id uuid NOT NULL,
      agent_version int NOT NULL,
      status text NOT NULL CHECK (
        status IN ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
      spec jsonb NOT NULL,
      message_id uuid NOT NULL,
      priority smallint NOT NULL DEFAULT 5,
      owner uuid,
      epoch int NOT NULL DEFAULT 0,
      step int NOT NULL DEFAULT 0,
      stalls int NOT NULL DEFAULT 0,
      attempt int NOT NULL DEFAULT 1,
      usage jsonb NOT NULL DEFAULT '{}',
      error jsonb,
      metadata jsonb NOT NULL DEFAULT '{}',
      hidden bool NOT NULL DEFAULT false,
      ready_at timestamptz,
      cancel_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      claimed_at timestamptz,
      started_at timestamptz,
      finished_at timestamptz)
    """,
    """
    CREATE UNIQUE INDEX runs_one_active ON runs (session_id)
      WHERE status IN ('running', 'waiting') AND session_id IS NOT NULL
    """,
    "CREATE INDEX runs_queue ON runs (priority DESC, seq) WHERE status = 'queued'",
    "CREATE INDEX runs_session_queue ON runs (session_id, seq) WHERE status = 'queued'",
    "CREATE INDEX runs_owner ON runs (owner) WHERE status = 'running'",
    "CREATE INDEX runs_user ON runs (workspace_id, user_id, id DESC)",
    "CREATE INDEX runs_session ON runs (session_id, id DESC)",
    """
    CREATE TABLE run_events (
      run_id uuid NOT NULL,
      seq bigint NOT NULL,
      type text NOT NULL,
      data jsonb NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (run_id, seq))
    """,
    """
    CREATE TABLE messages (
      id uuid PRIMARY KEY,
      seq bigint GENERATED ALWAYS AS IDENTITY,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      session_id uuid,
      run_id uuid NOT NULL,
      step int NOT NULL,
      role text NOT NULL,
      parts jsonb NOT NULL,
      citations jsonb NOT NULL DEFAULT '[]',
      incomplete bool NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT now())
    """,
    "CREATE INDEX messages_session ON messages (session_id, seq)",
    "CREATE INDEX messages_run ON messages (run_id, seq)",
    """
    CREATE TABLE tool_calls (
      run_id uuid NOT NULL,
      step int NOT NULL,
      n int NOT NULL,
      id text NOT NULL,
      provider_id text,
      name text NOT NULL,
      arguments jsonb NOT NULL,
      effect text NOT NULL,
      state text NOT NULL,
      attempts int NOT NULL DEFAULT 0,
      epoch int,
      idempotency_key text NOT NULL,
      result jsonb,
      error text,
      started_at timestamptz,
      finished_at timestamptz,
      PRIMARY KEY (run_id, step, n))
    """,
    "CREATE UNIQUE INDEX tool_calls_id_key ON tool_calls (run_id, id)",
    """
    CREATE TABLE workers (
      id uuid PRIMARY KEY,
      lock_id int NOT NULL,
      pid int NOT NULL,
      host text NOT NULL,
      beat_at timestamptz NOT NULL DEFAULT now(),
      lease_until timestamptz NOT NULL)
    """,
    """
    CREATE TABLE idempotency_keys (
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      end_user text NOT NULL DEFAULT '',
      route text NOT NULL,
      key text NOT NULL,
      body_hash bytea NOT NULL,
      run_id uuid,
      answer jsonb,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (workspace_id, user_id, end_user, route, key))
    """,
    "CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)",
)

TABLES = (
    "idempotency_keys, workers, tool_calls, messages, run_events, runs, sessions, "
    "agent_versions, agents, users, workspaces"
)


def upgrade() -> None:
    for statement in CREATE:
        op.execute(statement)


def downgrade() -> None:
    op.execute(f"DROP TABLE {TABLES}")
