"""The tables as SQLAlchemy sees them. The migrations are the truth; a test compares the two."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

Key = Annotated[UUID, mapped_column(primary_key=True)]
Number = Annotated[int, mapped_column(primary_key=True, autoincrement=False)]
BigNumber = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]
Word = Annotated[str, mapped_column(Text, primary_key=True)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Words = Annotated[str, mapped_column(Text)]
Json = Annotated[Any, mapped_column(JSONB, nullable=False)]
OptionalJson = Annotated[Any, mapped_column(JSONB(none_as_null=True), nullable=True)]
# as it was written: what a model is told keeps the order of its keys
JsonText = Annotated[Any, mapped_column(JSON, nullable=False)]
OptionalJsonText = Annotated[Any, mapped_column(JSON(none_as_null=True), nullable=True)]
JsonObject = Annotated[Any, mapped_column(JSONB, nullable=False, server_default=text("'{}'"))]
JsonList = Annotated[Any, mapped_column(JSONB, nullable=False, server_default=text("'[]'"))]
Seq = Annotated[int, mapped_column(BigInteger, Identity(always=True))]
Zero = Annotated[int, mapped_column(server_default=text("0"))]
One = Annotated[int, mapped_column(server_default=text("1"))]
Off = Annotated[bool, mapped_column(server_default=text("false"))]

LIVING = text("deleted_at IS NULL")
SUMMARY = text("covers IS NOT NULL")
QUEUED = text("status = 'queued'")


class WorkspaceRow(DefaultBase):
    __tablename__ = "workspaces"

    id: Mapped[Key]
    name: Mapped[Words]
    created_at: Mapped[Instant]


class UserRow(DefaultBase):
    __tablename__ = "users"

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    username: Mapped[Words]
    email: Mapped[Words]
    role: Mapped[Words]
    status: Mapped[Words] = mapped_column(server_default=text("'active'"))
    password_hash: Mapped[Words]
    session_version: Mapped[One]
    settings: Mapped[JsonObject]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]
    last_login_at: Mapped[Moment | None]

    __table_args__ = (
        Index("users_username_key", "workspace_id", text("lower(username)"), unique=True),
        Index("users_email_key", "workspace_id", text("lower(email)"), unique=True),
    )


class AgentRow(DefaultBase):
    __tablename__ = "agents"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    name: Mapped[Words]
    type: Mapped[Words]
    visibility: Mapped[Words]
    status: Mapped[Words]
    version: Mapped[int]
    builtin: Mapped[Off]
    body: Mapped[Json]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]
    deleted_at: Mapped[Moment | None]

    __table_args__ = (
        Index(
            "agents_name_key",
            "workspace_id",
            "user_id",
            "name",
            unique=True,
            postgresql_where=LIVING,
        ),
        Index("agents_workspace", "workspace_id", text("id DESC"), postgresql_where=LIVING),
    )


class AgentVersionRow(DefaultBase):
    __tablename__ = "agent_versions"

    agent_id: Mapped[UUID] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[Number]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    body: Mapped[Json]
    created_at: Mapped[Instant]


class SessionRow(DefaultBase):
    __tablename__ = "sessions"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    end_user: Mapped[Words | None]
    agent_id: Mapped[UUID | None]
    title: Mapped[Words | None]
    # `metadata` is SQLAlchemy's own name on a model
    details: Mapped[JsonObject] = mapped_column("metadata")
    message_count: Mapped[Zero]
    version: Mapped[One]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]
    deleted_at: Mapped[Moment | None]

    __table_args__ = (
        Index("sessions_user", "workspace_id", "user_id", text("id DESC"), postgresql_where=LIVING),
        Index(
            "sessions_end_user",
            "workspace_id",
            "end_user",
            text("id DESC"),
            postgresql_where=text("end_user IS NOT NULL AND deleted_at IS NULL"),
        ),
        Index("sessions_deleted", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )


class RunRow(DefaultBase):
    __tablename__ = "runs"

    id: Mapped[Key]
    seq: Mapped[Seq]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    end_user: Mapped[Words | None]
    session_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None]
    agent_id: Mapped[UUID]
    agent_version: Mapped[int]
    status: Mapped[Words]
    spec: Mapped[JsonText]
    message_id: Mapped[UUID]
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("5"))
    owner: Mapped[UUID | None]
    epoch: Mapped[Zero]
    step: Mapped[Zero]
    stalls: Mapped[Zero]
    attempt: Mapped[One]
    usage: Mapped[JsonObject]
    error: Mapped[OptionalJson]
    details: Mapped[JsonObject] = mapped_column("metadata")
    hidden: Mapped[Off]
    ready_at: Mapped[Moment | None]
    cancel_at: Mapped[Moment | None]
    created_at: Mapped[Instant]
    claimed_at: Mapped[Moment | None]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]

    __table_args__ = (
        Index(
            "runs_one_active",
            "session_id",
            unique=True,
            postgresql_where=text("status IN ('running', 'waiting') AND session_id IS NOT NULL"),
        ),
        Index("runs_queue", text("priority DESC"), "seq", postgresql_where=QUEUED),
        Index("runs_session_queue", "session_id", "seq", postgresql_where=QUEUED),
        Index("runs_queued", "seq", postgresql_where=QUEUED),
        Index("runs_user_queue", "user_id", postgresql_where=QUEUED),
        Index(
            "runs_ready",
            text("priority DESC"),
            "seq",
            postgresql_where=text("status = 'waiting' AND ready_at IS NOT NULL"),
        ),
        Index("runs_owner", "owner", postgresql_where=text("status = 'running'")),
        Index("runs_user", "workspace_id", "user_id", text("id DESC")),
        Index("runs_session", "session_id", text("id DESC")),
        Index(
            "runs_unhappy",
            "workspace_id",
            "user_id",
            "status",
            text("id DESC"),
            postgresql_where=text("status IN ('failed', 'cancelled')"),
        ),
        Index(
            "runs_end_user",
            "workspace_id",
            "end_user",
            text("id DESC"),
            postgresql_where=text("end_user IS NOT NULL"),
        ),
    )


class RunEventRow(DefaultBase):
    __tablename__ = "run_events"

    run_id: Mapped[Key]
    seq: Mapped[BigNumber]
    type: Mapped[Words]
    data: Mapped[Json]
    at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()")
    )


class MessageRow(DefaultBase):
    __tablename__ = "messages"

    id: Mapped[Key]
    seq: Mapped[Seq]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    session_id: Mapped[UUID | None]
    run_id: Mapped[UUID]
    step: Mapped[int]
    role: Mapped[Words]
    parts: Mapped[Json]
    citations: Mapped[JsonList]
    tool_calls: Mapped[OptionalJsonText]
    incomplete: Mapped[Off]
    created_at: Mapped[Instant]
    covers: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("messages_session_summary", "session_id", "seq", postgresql_where=SUMMARY),
        Index("messages_run_summary", "run_id", "seq", postgresql_where=SUMMARY),
        Index("messages_session", "session_id", "seq"),
        Index("messages_run", "run_id", "seq"),
    )


class ToolCallRow(DefaultBase):
    __tablename__ = "tool_calls"

    run_id: Mapped[Key]
    step: Mapped[Number]
    n: Mapped[Number]
    id: Mapped[Words]
    provider_id: Mapped[Words | None]
    name: Mapped[Words]
    arguments: Mapped[JsonText]
    effect: Mapped[Words]
    state: Mapped[Words]
    attempts: Mapped[Zero]
    epoch: Mapped[int | None]
    idempotency_key: Mapped[Words]
    result: Mapped[OptionalJsonText]
    error: Mapped[Words | None]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]

    __table_args__ = (Index("tool_calls_id_key", "run_id", "id", unique=True),)


class WorkerRow(DefaultBase):
    __tablename__ = "workers"

    id: Mapped[Key]
    lock_id: Mapped[int]
    pid: Mapped[int]
    host: Mapped[Words]
    beat_at: Mapped[Instant]
    lease_until: Mapped[Moment]


class IdempotencyKeyRow(DefaultBase):
    __tablename__ = "idempotency_keys"

    workspace_id: Mapped[Key]
    user_id: Mapped[Key]
    end_user: Mapped[Word] = mapped_column(server_default=text("''"))
    route: Mapped[Word]
    key: Mapped[Word]
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    run_id: Mapped[UUID | None]
    answer: Mapped[OptionalJson]
    holder: Mapped[UUID | None]
    created_at: Mapped[Instant]
    expires_at: Mapped[Moment]

    __table_args__ = (Index("idempotency_keys_expiry", "expires_at"),)
