"""Lists that are read a page at a time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from polyagent.domain.errors import CursorInvalid

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


def cursor_of(key: UUID | int) -> str:
    """Return the cursor behind the row of that key: a cursor names a row, it is no count of rows."""
    number = key.int if isinstance(key, UUID) else key
    return urlsafe_b64encode(number.to_bytes(16)).rstrip(b"=").decode()


def key_of(cursor: str) -> int:
    """Raises `CursorInvalid` unless `cursor_of` made it."""
    try:
        key = urlsafe_b64decode(cursor.encode() + b"==")
    except ValueError:
        key = b""
    if len(key) != 16 or cursor_of(int.from_bytes(key)) != cursor:
        raise CursorInvalid(
            "The cursor is not one of this list: take `next_cursor` of its last page."
        )
    return int.from_bytes(key)
