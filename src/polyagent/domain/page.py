"""Lists that are read a page at a time."""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")

Order = Literal["asc", "desc"]


class PageAsk(msgspec.Struct, frozen=True, kw_only=True):
    """`cursor` is what the last page's `next_cursor` said; it belongs to one list in one order."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: str | None = None
    order: Order = "desc"


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """`next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None = None
