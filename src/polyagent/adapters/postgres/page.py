"""Pages by key, as statements."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from polyagent.domain.page import Page, PageAsk, cursor_of, key_of

R = TypeVar("R")
T = TypeVar("T")
Rows = TypeVar("Rows", bound=tuple[Any, ...])

BIGINT_MAX = 2**63 - 1


def by_id(
    statement: Select[Rows], column: InstrumentedAttribute[UUID], ask: PageAsk
) -> Select[Rows]:
    """Return the statement for one page, and one row more."""
    behind = None if ask.cursor is None else UUID(int=key_of(ask.cursor))
    return _window(statement, column, ask, behind)


def by_number(
    statement: Select[Rows], column: InstrumentedAttribute[int], ask: PageAsk
) -> Select[Rows]:
    behind = None if ask.cursor is None else min(key_of(ask.cursor), BIGINT_MAX)
    return _window(statement, column, ask, behind)


def page_of(
    rows: Sequence[R], ask: PageAsk, key: Callable[[R], UUID | int], told: Callable[[R], T]
) -> Page[T]:
    """Return the page out of what its statement gave."""
    shown = rows[: ask.limit]
    cursor = cursor_of(key(shown[-1])) if len(rows) > ask.limit else None
    return Page(items=[told(row) for row in shown], next_cursor=cursor)


def _window(
    statement: Select[Rows], column: InstrumentedAttribute[Any], ask: PageAsk, behind: object
) -> Select[Rows]:
    descending = ask.order == "desc"
    if behind is not None:
        statement = statement.where(column < behind if descending else column > behind)
    return statement.order_by(column.desc() if descending else column.asc()).limit(ask.limit + 1)
