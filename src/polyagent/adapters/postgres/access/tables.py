"""The tables of credentials, and of what was done with them."""

from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import Instant, Json, JsonObject, Key, Moment, Word, Words


class TokenFamilyRow(DefaultBase):
    __tablename__ = "token_families"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    family_hash: Mapped[bytes] = mapped_column(LargeBinary)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    successor_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Instant]
    rotated_at: Mapped[Instant]
    expires_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]

    __table_args__ = (
        Index("token_families_hash_key", "family_hash", unique=True),
        Index("token_families_user", "user_id"),
        Index("token_families_expiry", "expires_at"),
    )


class ApiKeyRow(DefaultBase):
    __tablename__ = "api_keys"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[Words]
    scopes: Mapped[Json]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Instant]
    expires_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]
    noted_at: Mapped[Moment | None]
    noted_client: Mapped[Words | None]

    __table_args__ = (Index("api_keys_user", "workspace_id", "user_id", text("id DESC")),)


class IdentityRow(DefaultBase):
    __tablename__ = "identities"

    workspace_id: Mapped[Key]
    issuer: Mapped[Word]
    subject: Mapped[Word]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[Instant]

    __table_args__ = (Index("identities_user", "user_id"),)


class AuditRow(DefaultBase):
    __tablename__ = "audit"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    at: Mapped[Instant]
    actor_id: Mapped[UUID | None]
    action: Mapped[Words]
    outcome: Mapped[Words]
    object: Mapped[Words | None]
    client: Mapped[Words | None]
    details: Mapped[JsonObject]

    __table_args__ = (
        Index("audit_workspace", "workspace_id", text("id DESC")),
        Index("audit_at", "at", postgresql_using="brin"),
    )
