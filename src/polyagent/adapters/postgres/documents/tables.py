"""The tables of documents and their chunks."""

from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import (
    Instant,
    JsonList,
    JsonObject,
    Key,
    Moment,
    One,
    OptionalJson,
    Words,
    Zero,
)


class DocumentRow(DefaultBase):
    """`build` is the number of the newest index that was begun, `index_version` that of the one in use.

    `task_id` is the task that makes that build.
    """

    __tablename__ = "documents"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    filename: Mapped[Words]
    content_type: Mapped[Words]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[Words]
    blob: Mapped[Words]
    status: Mapped[Words] = mapped_column(server_default=text("'uploaded'"))
    error: Mapped[OptionalJson]
    progress: Mapped[float] = mapped_column(server_default=text("0"))
    chunk_count: Mapped[Zero]
    collection: Mapped[Words | None]
    visibility: Mapped[Words]
    # `metadata` is SQLAlchemy's own name on a model
    details: Mapped[JsonObject] = mapped_column("metadata")
    version: Mapped[One]
    build: Mapped[Zero]
    index_version: Mapped[Zero]
    task_id: Mapped[UUID | None]
    created_at: Mapped[Instant]
    indexed_at: Mapped[Moment | None]

    __table_args__ = (
        Index(
            "documents_same",
            "workspace_id",
            "user_id",
            "sha256",
            text("coalesce(collection, '')"),
            unique=True,
        ),
        Index("documents_user", "user_id", text("id DESC")),
        Index("documents_workspace", "workspace_id", text("id DESC")),
        Index("documents_blob", "blob", unique=True),
    )


class ChunkRow(DefaultBase):
    __tablename__ = "chunks"

    id: Mapped[Key]
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    index_version: Mapped[int]
    n: Mapped[int]
    text: Mapped[Words]
    page: Mapped[int | None]
    start_at: Mapped[int]
    end_at: Mapped[int]
    headings: Mapped[JsonList]
    tokens: Mapped[int]

    __table_args__ = (Index("chunks_place", "document_id", "index_version", "n", unique=True),)
