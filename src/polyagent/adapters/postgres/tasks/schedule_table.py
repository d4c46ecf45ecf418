"""The table of schedules."""

from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import Instant, JsonText, Key, Moment, One, Words


class ScheduleRow(DefaultBase):
    __tablename__ = "schedules"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    name: Mapped[Words]
    cron: Mapped[Words]
    timezone: Mapped[Words]
    task: Mapped[JsonText]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    catch_up: Mapped[Words] = mapped_column(server_default=text("'skip'"))
    end_at: Mapped[Moment | None]
    next_fire_at: Mapped[Moment | None]
    last_fire_at: Mapped[Moment | None]
    last_task_id: Mapped[UUID | None]
    version: Mapped[One]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]

    __table_args__ = (
        Index("schedules_name_key", "workspace_id", "user_id", "name", unique=True),
        Index(
            "schedules_due",
            "next_fire_at",
            "id",
            postgresql_where=text("next_fire_at IS NOT NULL"),
        ),
    )
