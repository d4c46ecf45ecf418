"""Texts cut to chunks: exact positions, nothing lost, no piece too large, in linear time."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.documents.chunking import (
    MAX_HEADING_CHARACTERS,
    MAX_HEADINGS,
    Piece,
    Sizes,
    cut,
)
from polyagent.domain.documents.document import Block, Extracted

SIZES = Sizes(most=50, overlap=10)


def plain(text: str) -> Extracted:
    return Extracted(text=text, blocks=[Block(kind="paragraph", start=0, end=len(text))])


def by_lines(text: str, pages: list[int] | None = None) -> Extracted:
    """Each line is a block; those that begin with # are headings."""
    blocks = [
        Block(
            kind="heading" if found[0].startswith("#") else "paragraph",
            start=found.start(),
            end=found.end(),
            level=len(found[0]) - len(found[0].lstrip("#")),
        )
        for found in re.finditer(r"[^\n]+", text)
    ]
    return Extracted(text=text, blocks=blocks, pages=pages or ())


def require_whole(extracted: Extracted, pieces: list[Piece], sizes: Sizes) -> None:
    text = extracted.text
    assert all(piece.text == text[piece.start : piece.end] for piece in pieces)
    assert all(piece.text.strip() == piece.text and piece.text for piece in pieces)
    assert all(piece.tokens <= sizes.most for piece in pieces)
    assert [piece.start for piece in pieces] == sorted(piece.start for piece in pieces)
    covered = bytearray(len(text))
    for piece in pieces:
        covered[piece.start : piece.end] = b"\x01" * (piece.end - piece.start)
    assert all(c.isspace() for c, is_in in zip(text, covered, strict=True) if not is_in)


@given(st.text(alphabet="aB .!?#\n\u4e2d\u3002\u0301\u00e9\U0001f600", max_size=2000))
def test_any_text_is_cut_without_loss(text: str) -> None:
    for extracted in (plain(text), by_lines(text)):
        require_whole(extracted, [*cut(extracted, SIZES)], SIZES)


@given(
    st.text(alphabet="ab .\n", min_size=1, max_size=1000), st.sets(st.integers(0, 999), min_size=1)
)
def test_no_piece_goes_over_the_end_of_a_page(text: str, ends: set[int]) -> None:
    pages = sorted({0, *(end for end in ends if end < len(text))})
    pieces = [*cut(by_lines(text, pages), SIZES)]

    for piece in pieces:
        assert piece.page is not None
        after = pages[piece.page] if piece.page < len(pages) else len(text)
        assert pages[piece.page - 1] <= piece.start < piece.end <= after


@pytest.mark.parametrize(
    "text",
    [
        " " + "a" * 300_000,
        "QUJD" * 250_000,
        "\u4e2d" * 100_000,
        " ".join(f"{n:05}" for n in range(170_000)),
        "." * 1_000_000,
        '."' * 500_000,
        "e\u0301" * 200_000,
        "\u3002" * 300_000,
    ],
)
def test_endless_texts_are_cut(text: str) -> None:
    sizes = Sizes()

    pieces = [*cut(plain(text), sizes)]

    require_whole(plain(text), pieces, sizes)


def test_nothing_is_made_of_white_space() -> None:
    assert [*cut(plain("\n" * 100_000))] == []


def test_a_piece_ends_with_a_sentence_and_the_next_repeats_its_end() -> None:
    text = " ".join(f"Sentence number {n} is here." for n in range(40))

    pieces = [*cut(plain(text), SIZES)]

    assert all(piece.text.endswith(".") for piece in pieces)
    assert all(later.start < earlier.end for earlier, later in pairwise(pieces))


def test_sections_are_kept_apart_unless_they_are_small() -> None:
    long, short = "A long sentence stands here. " * 6, "Short."
    text = f"# One\n{long}\n# Two\n{short}\n# Three\n{short}"

    pieces = [*cut(by_lines(text), Sizes(most=100, overlap=0))]

    assert [piece.headings for piece in pieces] == [("# One",), ("# Two",)]
    assert pieces[1].text.startswith("# Two")


def test_progress_grows_to_the_end() -> None:
    pieces = [*cut(plain("word. " * 500), SIZES)]

    assert [piece.progress for piece in pieces] == sorted(piece.progress for piece in pieces)
    assert pieces[-1].progress > 0.99


def test_headings_that_chunks_repeat_are_few_and_short() -> None:
    long, deep = f"# {'word ' * 1000}", "\n".join(f"{'#' * n} level {n}" for n in range(2, 60))

    pieces = [*cut(by_lines(f"{long}\n{deep}\n{'text ' * 100}"), SIZES)]

    told = pieces[-1].headings
    assert told[-1].endswith("level 59")
    assert len(told) == MAX_HEADINGS
    assert all(len(each) <= MAX_HEADING_CHARACTERS for piece in pieces for each in piece.headings)
