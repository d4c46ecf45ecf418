"""What a model writes to say where something stands, and what the server makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from polyagent.domain.documents.citation import MAX_CITATIONS, NOBODY, citations_of
from polyagent.domain.documents.retrieval import Passage
from polyagent.domain.ids import new_id


def passage(text: str, *, start: int = 500, page: int | None = 3) -> Passage:
    return Passage(
        document_id=new_id(),
        filename="lease.pdf",
        chunk_id=new_id(),
        text=text,
        page=page,
        start=start,
        end=start + len(text),
        score=1.0,
    )


LEASE = passage('The notice period is three months. He said "leave [now]" twice.')
QUOTE = "notice period is three months"


@pytest.mark.parametrize(
    "form",
    [
        '[[{id}: "{quote}"]]',
        "[[{id}:{quote}]]",
        "[[ {id} : “{quote}” ]]",
        "[[{id} | «{quote}»]]",
        '[[{id}, "{quote}"]]',
        '[[id={id}: "{quote}"]]',
        '[[passage {id}: "{quote}"]]',
        '[[{id} "{quote}"]]',
        '【{id}†"{quote}"】',
        '[[{id}: "{quote}"]',
        '[[{id}: "{quote}"',
        '[[{id}: "{quote}.\n\nAnd so on',
        '[[{id}: \\"{quote}\\"]]',
        "[[{ID}: '{quote}']]",
        '[{id}: "{quote}"]',
        '([{id}: "{quote}"])',
        "[ {ID} : «{quote}» ]",
        '[[{chunk_id}: "{quote}"]]',
        '[[{id}, p. 5: "{quote}"]]',
        '[[{id} — "{quote}"]]',
        '[[{id}; "{quote}"]]',
        '[[id: {id}, quote: "{quote}"]]',
        '[[passage id="{id}": "{quote}"]]',
        '[["{id}": "{quote}"]]',
        '[[`{id}`: "{quote}"]]',
        "[{id}: {quote}]",
        '\\[\\[{id}: "{quote}"\\]\\]',
    ],
)
def test_a_citation_is_understood_however_a_model_writes_it(form: str) -> None:
    names = {"id": LEASE.label, "ID": LEASE.label.upper(), "chunk_id": LEASE.chunk_id}
    text = f"It is long {form.format(quote=QUOTE, **names)}"

    (cited,) = citations_of(text, [LEASE])

    assert cited.verified
    assert cited.quote == QUOTE
    assert (cited.document_id, cited.chunk_id) == (LEASE.document_id, LEASE.chunk_id)
    assert (cited.filename, cited.page) == ("lease.pdf", 3)
    assert (cited.start, cited.end) == (504, 504 + len(QUOTE))


@pytest.mark.parametrize("between", ["; ", ", ", ",", "]; ["])
def test_one_marker_may_cite_several_passages(between: str) -> None:
    other = passage("Rent is due on the third day.")
    text = f'[[{LEASE.label}: "three months"{between}{other.label}: "third week"]]'

    first, second = citations_of(text, [LEASE, other])

    assert (first.quote, first.chunk_id, first.verified) == ("three months", LEASE.chunk_id, True)
    assert (second.quote, second.chunk_id, second.verified) == (
        "third week",
        other.chunk_id,
        False,
    )


def test_brackets_and_lists_that_cite_nothing_are_text() -> None:
    text = 'See [1], [note: "x"], [deadbeef] and deadbeef: "y"; as [he said], "z".'

    assert citations_of(text, [LEASE]) == ()


def test_a_quotation_may_hold_marks_and_brackets() -> None:
    (cited,) = citations_of(f'[[{LEASE.label}: "He said "leave [now]" twice."]]', [LEASE])

    assert cited.verified


def test_a_quotation_that_the_passage_has_not_is_shown_as_it_was_written() -> None:
    (cited,) = citations_of(f'[[{LEASE.label}: "three years"]]', [LEASE])

    assert not cited.verified
    assert cited.quote == "three years"
    assert (cited.start, cited.end) == (LEASE.start, LEASE.end)


def test_a_passage_that_was_never_shown_is_named_as_the_model_named_it() -> None:
    (cited,) = citations_of('[[deadbeef: "three months"]]', [LEASE])

    assert not cited.verified
    assert (cited.document_id, cited.chunk_id) == (NOBODY, NOBODY)
    assert cited.filename == "deadbeef"


@pytest.mark.parametrize(
    "form", ["[[{id}]]", "[{id}]", "[[{id}, p. 4]]", '[[the lease: "three months"]]']
)
def test_a_citation_without_a_quotation_or_a_passage_is_not_verified(form: str) -> None:
    (cited,) = citations_of(f"It says so {form.format(id=LEASE.label)}.", [LEASE])

    assert not cited.verified


def test_much_that_was_quoted_before_is_soon_looked_through() -> None:
    before = [replace(LEASE, text=f"word {n}") for n in range(20_000)]
    marks = "".join(f'[[{LEASE.label}: "wrong {n}"]]' for n in range(MAX_CITATIONS))
    right = f'[[{LEASE.label}: "{QUOTE}"]]'

    cited = citations_of(right + marks, [*before, LEASE])

    assert [each.verified for each in cited] == [True, *[False] * (MAX_CITATIONS - 1)]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "[[Page]]",
        "[[Wiki page]]",
        'if [[ $a == "b" ]]; then',
        "[[1, 2], [3, 4]]",
        "[[]]",
        "[deadbeef: x]",
    ],
)
def test_brackets_of_other_kinds_are_no_citations(text: str) -> None:
    assert citations_of(text, [LEASE]) == ()


def test_each_is_told_once_in_its_order_and_not_without_end() -> None:
    first, second = f'[[{LEASE.label}: "three months"]]', f'[[{LEASE.label}: "notice period"]]'
    many = "".join(f'[[{LEASE.label}: "{n}"]]' for n in range(300))

    assert [c.quote for c in citations_of(first + second + first, [LEASE])] == [
        "three months",
        "notice period",
    ]
    assert len(citations_of(many, [LEASE])) == MAX_CITATIONS


@given(st.lists(st.sampled_from(["[[", "]]", "a1b2c3d4", ":", '"', "\n\n", "【", "】", "x ", "]"])))
def test_no_text_breaks_it(pieces: list[str]) -> None:
    assert not any(cited.verified for cited in citations_of("".join(pieces), [LEASE]))


@pytest.mark.parametrize(
    ("answer", "quotes"),
    [
        ("The notice period is three months.", ["The notice period is three months"]),
        ("**It says:** the notice period is  three months!", ["The notice period is three months"]),
        (
            "As far as I know, the notice period is three months, sir.",
            ["The notice period is three months"],
        ),
        ('Sure. \u201cHe said "leave [now]" twice\u201d', ['He said "leave [now]" twice']),
        ("It is three months.", []),
        ("The notice period is three years.", []),
        ("The notice period is not three months.", []),
        ("period is three months. He said", []),
    ],
)
def test_what_an_answer_repeats_is_cited_though_it_does_not_say_so(
    answer: str, quotes: list[str]
) -> None:
    other = passage("Nothing is here of any notice. The period of three months is over.")

    cited = citations_of(answer, [other, LEASE])

    assert [each.quote for each in cited] == quotes
    assert all(each.verified and each.chunk_id == LEASE.chunk_id for each in cited)


def test_a_sentence_of_chinese_that_is_repeated_is_cited() -> None:
    lease = passage("\u79df\u7ea6\u3002\u901a\u77e5\u671f\u4e3a\u4e09\u4e2a\u6708\u3002")

    (cited,) = citations_of("\u7b54\uff1a\u901a\u77e5\u671f\u4e3a\u4e09\u4e2a\u6708\u3002", [lease])

    assert cited.quote == "\u901a\u77e5\u671f\u4e3a\u4e09\u4e2a\u6708"


def test_where_something_is_cited_nothing_is_added() -> None:
    text = f'The notice period is three months [[{LEASE.label}: "three years"]].'

    (cited,) = citations_of(text, [LEASE])

    assert not cited.verified


@pytest.mark.parametrize("text", ["." * 200_000, "a." * 100_000, ", " * 100_000, "word " * 40_000])
def test_what_repeats_nothing_takes_no_time(text: str) -> None:
    assert citations_of(text, [LEASE]) == ()
