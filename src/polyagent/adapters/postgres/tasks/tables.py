"""The tables of tasks."""

from datetime import datetime
from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import DateTime, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import (
    QUEUED,
    Instant,
    JsonObject,
    JsonText,
    Key,
    Moment,
    Number,
    Off,
    OptionalJson,
    OptionalJsonText,
    Seq,
    Words,
    Zero,
)


class TaskRow(DefaultBase):
    __tablename__ = "tasks"

    id: Mapped[Key]
    seq: Mapped[Seq]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    end_user: Mapped[Words | None]
    kind: Mapped[Words]
    payload: Mapped[JsonText]
    status: Mapped[Words] = mapped_column(server_default=text("'queued'"))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("5"))
    attempt: Mapped[Zero]
    spared: Mapped[Zero]
    max_attempts: Mapped[int]
    timeout_s: Mapped[float]
    unique_key: Mapped[Words | None]
    schedule_id: Mapped[UUID | None]
    fire_at: Mapped[Moment | None]
    due_at: Mapped[Instant]
    owner: Mapped[UUID | None]
    claimed_at: Mapped[Moment | None]
    cancel_at: Mapped[Moment | None]
    cut_short: Mapped[Off]
    progress: Mapped[OptionalJsonText]
    result: Mapped[OptionalJsonText]
    error: Mapped[OptionalJson]
    details: Mapped[JsonObject] = mapped_column("metadata")
    traceparent: Mapped[Words | None]
    webhook_id: Mapped[UUID | None]
    created_at: Mapped[Instant]
    finished_at: Mapped[Moment | None]

    __table_args__ = (
        Index("tasks_queued", "seq", postgresql_where=QUEUED),
        Index("tasks_parked", "kind", "user_id", "seq", postgresql_where=text("status = 'parked'")),
        Index("tasks_running", "owner", postgresql_where=text("status = 'running'")),
        Index("tasks_waiting", "user_id", postgresql_where=text("status IN ('queued', 'parked')")),
        Index(
            "tasks_unique_key",
            "workspace_id",
            "user_id",
            text("coalesce(end_user, '')"),
            "unique_key",
            unique=True,
            postgresql_where=text(
                "unique_key IS NOT NULL AND status IN ('queued', 'parked', 'running')"
            ),
        ),
        Index(
            "tasks_fire",
            "schedule_id",
            "fire_at",
            unique=True,
            postgresql_where=text("fire_at IS NOT NULL"),
        ),
        Index("tasks_user", "workspace_id", "user_id", text("id DESC")),
        Index(
            "tasks_webhook",
            "webhook_id",
            text("id DESC"),
            postgresql_where=text("webhook_id IS NOT NULL"),
        ),
    )


class TaskAttemptRow(DefaultBase):
    __tablename__ = "task_attempts"

    task_id: Mapped[UUID] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[Number]
    started_at: Mapped[Moment]
    finished_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("now()")
    )
    error: Mapped[OptionalJson]
