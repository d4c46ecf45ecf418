"""What a model is told, as it was written: `jsonb` sorts keys, and so changes what was sent before.

Each table is written anew while nobody else may use it; jsonb of before stays in the order that it has.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = {
    "tool_calls": ("arguments", "result"),
    "messages": ("tool_calls",),
    "runs": ("spec",),
}


def upgrade() -> None:
    _turn_into("json")


def downgrade() -> None:
    _turn_into("jsonb")


def _turn_into(kind: str) -> None:
    for table, columns in COLUMNS.items():
        changes = (f"ALTER COLUMN {name} TYPE {kind} USING {name}::{kind}" for name in columns)
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
