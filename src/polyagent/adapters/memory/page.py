"""Pages over rows that are all in memory."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import TypeVar

from polyagent.domain.errors import CursorInvalid
from polyagent.domain.page import Page, PageAsk

T = TypeVar("T")


def paged(rows: Iterable[T], ask: PageAsk, key: Callable[[T], int]) -> Page[T]:
    """Return the page of `rows` behind the cursor; `key` is unique and orders them."""
    behind = None if ask.cursor is None else _decoded(ask.cursor)
    descending = ask.order == "desc"
    if behind is not None:
        rows = [row for row in rows if (key(row) < behind if descending else key(row) > behind)]
    ordered = sorted(rows, key=key, reverse=descending)
    items = ordered[: ask.limit]
    more = len(ordered) > ask.limit
    return Page(items=items, next_cursor=_encoded(key(items[-1])) if more else None)


def _encoded(key: int) -> str:
    return urlsafe_b64encode(key.to_bytes(16)).rstrip(b"=").decode()


def _decoded(cursor: str) -> int:
    try:
        key = urlsafe_b64decode(cursor.encode() + b"==")
    except ValueError:
        key = b""
    if len(key) != 16 or _encoded(int.from_bytes(key)) != cursor:
        raise CursorInvalid(
            "The cursor is not one of this list: take `next_cursor` of its last page."
        )
    return int.from_bytes(key)
