from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.adapters.openai.reading.malformed import Malformed
from polyagent.adapters.openai.reading.sse import MAX_LINE_BYTES, Event, EventParser

STREAM = (
    '\ufeff: hello\r\ndata: {"a":"é😀"}\r\n\r\nevent: error\ndata:one\rdata: two\r\r'
    "id: 7\nretry: 3\n\ndata\n\ndata: last"
).encode()
EVENTS = [
    Event(b"", '{"a":"é😀"}'.encode()),
    Event(b"error", b"one\ntwo"),
    Event(b"", b""),
    Event(b"", b"last"),
]


def parsed(pieces: list[bytes]) -> list[Event]:
    parser = EventParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return [*events, *parser.end()]


@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_events_do_not_depend_on_where_the_stream_is_cut(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]

    events = parsed([STREAM[a:b] for a, b in pairwise(places)])

    assert events == EVENTS


def test_a_stream_of_single_bytes_gives_the_same_events() -> None:
    assert parsed([bytes([byte]) for byte in STREAM]) == EVENTS


PARTS = st.sampled_from(
    ["data: ", "data:", "x", ": ", "\n", "\n\n", "\r", "event: e", "data: y\n\n"]
)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_whole_pieces_are_read_as_single_bytes_are(text: str) -> None:
    stream = text.encode()
    whole, bytewise = EventParser(), EventParser()

    events = whole.feed(stream)
    one_by_one = [event for byte in stream for event in bytewise.feed(bytes([byte]))]

    assert events == one_by_one
    assert whole.lines == bytewise.lines
    assert whole.end() == bytewise.end()


def test_a_line_without_an_end_is_malformed_before_it_fills_the_memory() -> None:
    parser = EventParser()
    parser.feed(b"x" * MAX_LINE_BYTES)

    with pytest.raises(Malformed):
        parser.feed(b"x")


def test_complete_lines_are_counted_and_halves_are_not() -> None:
    parser = EventParser()

    parser.feed(b": ping\n: pi")

    assert parser.lines == 1
