"""The tables of spaces of vectors. Each space has one more, `vectors_<id>`, which `spaces.py` makes."""

from advanced_alchemy.base import DefaultBase
from sqlalchemy import ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from polyagent.adapters.postgres.tables import Instant, Json, Off


class SpaceRow(DefaultBase):
    """`wanted` is the space of what is configured, `in_use` the one that is searched.

    `seen_at` is when somebody last showed that he wants it.
    """

    __tablename__ = "spaces"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    recipe: Mapped[Json]
    width: Mapped[int]
    wanted: Mapped[Off]
    in_use: Mapped[Off]
    seen_at: Mapped[Instant]

    __table_args__ = (Index("spaces_recipe", "recipe", "width", unique=True),)


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
