"""What each call of a model has used: it outlives its run.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = (
    # what the queries of an operator read together lies together: it is only added to
    """
    CREATE TABLE usage (
      run_id uuid NOT NULL,
      seq bigint NOT NULL,
      at timestamptz NOT NULL,
      workspace_id uuid NOT NULL,
      user_id uuid NOT NULL,
      agent_id uuid NOT NULL,
      input_tokens bigint NOT NULL,
      cached_input_tokens bigint NOT NULL,
      output_tokens bigint NOT NULL,
      reasoning_tokens bigint NOT NULL,
      total_tokens bigint NOT NULL,
      cost double precision,
      estimated boolean NOT NULL,
      model text NOT NULL,
      end_user text,
      PRIMARY KEY (run_id, seq))
    """,
    "CREATE INDEX usage_user ON usage (workspace_id, user_id, at)",
    "CREATE INDEX usage_at ON usage USING brin (at)",
    # what was journaled before there was this table
    """
    INSERT INTO usage (
      run_id, seq, at, workspace_id, user_id, agent_id, end_user, model, input_tokens,
      cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, estimated, cost)
    SELECT r.id, e.seq, e.at, r.workspace_id, r.user_id, r.agent_id, r.end_user,
      coalesce(e.data->>'model', ''), coalesce(u.input_tokens, 0),
      coalesce(u.cached_input_tokens, 0), coalesce(u.output_tokens, 0),
      coalesce(u.reasoning_tokens, 0), coalesce(u.total_tokens, 0),
      coalesce(u.estimated, false), u.cost
    FROM run_events e JOIN runs r ON r.id = e.run_id
    CROSS JOIN jsonb_to_record(e.data->'usage') AS u(
      input_tokens bigint, cached_input_tokens bigint, output_tokens bigint,
      reasoning_tokens bigint, total_tokens bigint, estimated boolean, cost double precision)
    WHERE e.type = 'usage'
    ORDER BY e.at
    """,
)
DOWN = ("DROP TABLE usage",)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
