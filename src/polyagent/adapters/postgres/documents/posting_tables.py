"""The tables that documents are searched by."""

from uuid import UUID

from advanced_alchemy.base import DefaultBase
from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import Number, Off, Words, Zero


class ShelfRow(DefaultBase):
    """What is filtered by. `user_id` None: its documents are shared with the workspace."""

    __tablename__ = "shelves"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    collection: Mapped[Words | None]

    __table_args__ = (
        Index(
            "shelves_key",
            *("workspace_id", "user_id", "collection"),
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )


class IndexRow(DefaultBase):
    """One build of one document's index; `length` is that of its chunks together, in terms."""

    __tablename__ = "indexes"

    no: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    version: Mapped[int]
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id", ondelete="CASCADE"))
    in_use: Mapped[Off]
    chunks: Mapped[Zero]
    length: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (
        Index("indexes_build", "document_id", "version", unique=True),
        Index(
            "indexes_shelf",
            *("shelf_id", "in_use"),
            postgresql_include=["no", "chunks", "length"],
        ),
    )


class PostingRow(DefaultBase):
    """A term in the chunk `n` of an index, `tf` times among `length` terms."""

    __tablename__ = "postings"

    shelf_id: Mapped[Number]
    term: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    index_no: Mapped[Number]
    n: Mapped[Number]
    tf: Mapped[int]
    length: Mapped[int]

    __table_args__ = (
        Index(
            "postings_term",
            *("shelf_id", "term", "index_no", "n"),
            unique=True,
            postgresql_include=["tf", "length"],
        ),
        Index("postings_index", "index_no"),
    )
