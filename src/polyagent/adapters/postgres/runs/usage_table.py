"""The table of what calls of models have used."""

from typing import Annotated
from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import BigInteger, Double, Index
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import BigNumber, Key, Moment, Words

Tokens = Annotated[int, mapped_column(BigInteger)]


class UsageRow(DefaultBase):
    """One call. `seq` is that of the event that told of it; no key points at what may be deleted."""

    __tablename__ = "usage"

    run_id: Mapped[Key]
    seq: Mapped[BigNumber]
    at: Mapped[Moment]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    agent_id: Mapped[UUID]
    input_tokens: Mapped[Tokens]
    cached_input_tokens: Mapped[Tokens]
    output_tokens: Mapped[Tokens]
    reasoning_tokens: Mapped[Tokens]
    total_tokens: Mapped[Tokens]
    cost: Mapped[float | None] = mapped_column(Double)
    estimated: Mapped[bool]
    model: Mapped[Words]
    end_user: Mapped[Words | None]

    __table_args__ = (
        Index("usage_user", "workspace_id", "user_id", "at"),
        Index("usage_at", "at", postgresql_using="brin"),
    )
