"""The tables of spaces of vectors. Each space has one more, `vectors_<id>`, which `spaces.py` makes."""

from advanced_alchemy.base import DefaultBase
from sqlalchemy import ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import Instant, Off, Words


class SpaceRow(DefaultBase):
    """`wanted` is the space of what is configured, `in_use` the one that is searched."""

    __tablename__ = "spaces"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    model: Mapped[Words]
    asked_width: Mapped[int | None]
    query_prefix: Mapped[Words]
    passage_prefix: Mapped[Words]
    width: Mapped[int]
    wanted: Mapped[Off]
    in_use: Mapped[Off]

    __table_args__ = (
        Index(
            "spaces_recipe",
            *("model", "asked_width", "query_prefix", "passage_prefix", "width"),
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )


class EmbeddedRow(DefaultBase):
    """How far an index is embedded: `finished`, or claimed by a process for a while."""

    __tablename__ = "embedded"

    space_id: Mapped[int] = mapped_column(
        ForeignKey("spaces.id", ondelete="CASCADE"), primary_key=True
    )
    index_no: Mapped[int] = mapped_column(
        ForeignKey("indexes.no", ondelete="CASCADE"), primary_key=True
    )
    finished: Mapped[Off]
    claimed_until: Mapped[Instant]

    __table_args__ = (Index("embedded_index", "index_no"),)
