"""The table of webhooks."""

from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import Instant, Json, Key, Moment, Words


class WebhookRow(DefaultBase):
    __tablename__ = "webhooks"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    url: Mapped[Words]
    events: Mapped[Json]
    description: Mapped[Words]
    status: Mapped[Words]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[Moment | None]
    failing_since: Mapped[Moment | None]
    disabled_at: Mapped[Moment | None]
    disabled_reason: Mapped[Words | None]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]

    __table_args__ = (
        Index("webhooks_user", "user_id", text("id DESC")),
        Index("webhooks_workspace", "workspace_id", text("id DESC")),
    )
