"""Pages of the memory adapters."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.adapters.memory.page import paged
from polyagent.domain.errors import CursorInvalid
from polyagent.domain.page import Order, PageAsk


@given(st.sets(st.integers(0, 2**128 - 1)), st.integers(1, 100), st.sampled_from(["asc", "desc"]))
def test_pages_together_are_the_whole_list(keys: set[int], limit: int, order: Order) -> None:
    told: list[int] = []
    ask: PageAsk | None = PageAsk(limit=limit, order=order)
    while ask is not None:
        page = paged(keys, ask, lambda key: key)
        told += page.items
        ask = msgspec.structs.replace(ask, cursor=page.next_cursor) if page.next_cursor else None

    assert told == sorted(keys, reverse=order == "desc")


@given(st.text())
def test_a_made_up_cursor_is_refused_or_is_the_one_that_it_says(cursor: str) -> None:
    try:
        page = paged([1, 2, 3], PageAsk(cursor=cursor), lambda key: key)
    except CursorInvalid:
        return
    assert len(cursor) == 22
    assert set(page.items) <= {1, 2, 3}


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_one_to_a_hundred_items(limit: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"limit": limit}, PageAsk)
