"""Cutting a text to chunks: between sections, paragraphs, rows and sentences, and anywhere else if it must be.

The time is linear in the length of the text, whatever it is made of.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from polyagent.domain.context import estimate_tokens
from polyagent.domain.documents.document import Block, Extracted

# A run of marks is tried once, at its beginning: `....` without end costs no more than it is long. It begins
# with a set, which `re` looks for fast; a match without a group ends no sentence.
_ENDS = ".!?\u2026"
_WIDE_ENDS = "\u3002\uff01\uff1f\uff1b"  # full stop, exclamation and question mark, semicolon
_SENTENCE_END = re.compile(
    rf"[{_ENDS}{_WIDE_ENDS}\n](?:(?<=\n)(\n*+)|"
    rf"(?<=[{_ENDS}])[{_ENDS}]*+(?:[\"'\u201d\u2019\u00bb)\]]*+(\s++))?|"
    rf"(?<=[{_WIDE_ENDS}])([{_WIDE_ENDS}]*+[\u201d\u2019\u300d\u300f\uff09]*+))"
)
_WIDEST = 4  # characters of a token at most, by the estimate
_MARKS = 16

MAX_HEADINGS = 9
MAX_HEADING_CHARACTERS = 200
"""Each piece repeats those it stands under: without a bound a file would become hundreds of itself."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """In tokens: how many a chunk has at most, and how many of them the one before may have had at its end."""

    most: int = 400
    overlap: int = 60


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk before it has an id: `text` are the characters from `start` to before `end`.

    `progress` is how much of the text there is up to its end, of 1.
    """

    text: str
    start: int
    end: int
    page: int | None = None
    headings: Sequence[str] = ()
    tokens: int = 0
    progress: float = 0.0


class _Unit(msgspec.Struct, frozen=True):
    """What is not cut any more. `section` counts the headings and pages before it."""

    start: int
    end: int
    tokens: int
    section: int
    is_heading: bool


class _Place(msgspec.Struct, frozen=True):
    page: int | None
    headings: tuple[str, ...]


def cut(extracted: Extracted, sizes: Sizes = Sizes()) -> Iterator[Piece]:  # noqa: B008  # frozen
    """Cut a text to pieces that begin and end with visible characters, in order.

    No piece goes over the end of a page. Small sections share a piece.
    """
    places: list[_Place] = []
    kept: list[_Unit] = []
    tokens = 0
    for unit in _units(extracted, sizes, places):
        if kept and _must_end(kept, tokens, unit, sizes, places):
            yield from _piece(extracted, kept, places)
            kept = _overlap(kept, unit, sizes)
            tokens = sum(each.tokens for each in kept)
        kept.append(unit)
        tokens += unit.tokens
    yield from _piece(extracted, kept, places)


def _must_end(
    kept: Sequence[_Unit], tokens: int, unit: _Unit, sizes: Sizes, places: Sequence[_Place]
) -> bool:
    if tokens + unit.tokens > sizes.most:
        return True
    if unit.section == kept[-1].section:
        return False
    if places[unit.section].page != places[kept[-1].section].page:
        return True
    return tokens > sizes.most // 4 and not all(each.is_heading for each in kept)


def _overlap(kept: Sequence[_Unit], unit: _Unit, sizes: Sizes) -> list[_Unit]:
    """Return what a piece repeats of the one before it: whole units of the same section."""
    room = min(sizes.overlap, sizes.most - unit.tokens)
    again: list[_Unit] = []
    for each in reversed(kept[1:]):
        room -= each.tokens
        if room < 0 or each.section != unit.section:
            break
        again.insert(0, each)
    return again


def _piece(
    extracted: Extracted, units: Sequence[_Unit], places: Sequence[_Place]
) -> Iterator[Piece]:
    if not units:
        return
    raw = extracted.text[units[0].start : units[-1].end]
    text = raw.strip()
    if not text:
        return
    start = units[0].start + len(raw) - len(raw.lstrip())
    place = places[units[0].section]
    yield Piece(
        text=text,
        start=start,
        end=start + len(text),
        page=place.page,
        headings=place.headings,
        tokens=estimate_tokens(text),
        progress=(start + len(text)) / len(extracted.text),
    )


def _units(extracted: Extracted, sizes: Sizes, places: list[_Place]) -> Iterator[_Unit]:
    path: list[tuple[int, str]] = []
    for start, end, block in _spans(extracted):
        if block.kind == "heading":
            path = [above for above in path if above[0] < block.level]
            heading = extracted.text[start : min(end, start + MAX_HEADING_CHARACTERS)].strip()
            path = [*path, (block.level, heading)][-MAX_HEADINGS:]
        place = _Place(_page(extracted, start), tuple(text for _, text in path))
        if not places or places[-1] != place:
            places.append(place)
        for first, last in _cuts(extracted.text, start, end, sizes):
            tokens = estimate_tokens(extracted.text[first:last]) + 1  # and what stands between
            yield _Unit(first, last, tokens, len(places) - 1, block.kind == "heading")


def _spans(extracted: Extracted) -> Iterator[tuple[int, int, Block]]:
    """Return the blocks, cut where pages begin within them."""
    for block in extracted.blocks:
        start = block.start
        after = bisect_right(extracted.pages, start)
        while after < len(extracted.pages) and extracted.pages[after] < block.end:
            yield start, extracted.pages[after], block
            start = extracted.pages[after]
            after += 1
        yield start, block.end, block


def _page(extracted: Extracted, position: int) -> int | None:
    return bisect_right(extracted.pages, position) or None


def _cuts(text: str, start: int, end: int, sizes: Sizes) -> Iterator[tuple[int, int]]:
    """Return a block as it is, if it fits into half a piece; else its sentences and lines."""
    if end - start <= sizes.most // 2:
        yield start, end
        return
    last = start
    for found in _SENTENCE_END.finditer(text, start, end):
        if found.lastindex:
            yield from _slices(text, last, found.end(), sizes.most - 1)
            last = found.end()
    yield from _slices(text, last, end, sizes.most - 1)


def _slices(text: str, start: int, end: int, tokens: int) -> Iterator[tuple[int, int]]:
    """Return a span in slices of at most so many tokens, cut at white space if there is some."""
    while start < end:
        last = min(end, start + tokens * _WIDEST)
        while (has := estimate_tokens(text[start:last])) > tokens:
            last = start + max(1, (last - start) * tokens // has)
        if last < end:
            last = _fair_cut(text, start, last)
        yield start, last
        start = last


def _fair_cut(text: str, start: int, last: int) -> int:
    space = text.rfind(" ", start + (last - start) * 3 // 4, last)
    if space >= 0:
        return space + 1
    for position in range(last, max(start + 1, last - _MARKS), -1):
        if not unicodedata.combining(text[position]):
            return position
    return last
