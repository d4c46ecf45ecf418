"""Pages over rows that are all in memory."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from polyagent.domain.page import Page, PageAsk, cursor_of, key_of

T = TypeVar("T")


def paged(rows: Iterable[T], ask: PageAsk, key: Callable[[T], int]) -> Page[T]:
    """Return the page of `rows` behind the cursor; `key` is unique and orders them."""
    behind = None if ask.cursor is None else key_of(ask.cursor)
    descending = ask.order == "desc"
    if behind is not None:
        rows = [row for row in rows if (key(row) < behind if descending else key(row) > behind)]
    ordered = sorted(rows, key=key, reverse=descending)
    items = ordered[: ask.limit]
    more = len(ordered) > ask.limit
    return Page(items=items, next_cursor=cursor_of(key(items[-1])) if more else None)
