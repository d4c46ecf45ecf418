"""What texts are found by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.documents.terms import (
    MAX_QUERY_TERMS,
    MAX_TERM_CHARACTERS,
    query_terms,
    terms_of,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("re\u0301sume\u0301", "résumé"),
        ("RÉSUMÉ", "resume"),
        ("ﬁnance", "FINANCE"),
        ("co\u00adop", "coop"),
        ("zero\u200bwidth", "zerowidth"),
        ("１２３", "123"),
        ("İstanbul", "istanbul"),
        ("Straße", "STRASSE"),
        ("ｶﾞ", "ガ"),
        ("running", "runs"),
        ("한국", "한국"),
        ("葛\U000e0100城", "葛城"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("محـــمد", "محمد"),
        ("أحمد", "احمد"),
        ("\u2067שלום\u2069", "שלום"),
        ("\u202eabc\u202c", "abc"),
        ("man\u200d", "man"),
    ],
)
def test_spellings_of_one_word_have_one_term(one: str, other: str) -> None:
    assert terms_of(one) == terms_of(other)


@pytest.mark.parametrize(("one", "other"), [("が", "か"), ("bee", "beetle"), ("й", "ж")])
def test_different_words_have_different_terms(one: str, other: str) -> None:
    assert terms_of(one) != terms_of(other)


def test_runs_without_spaces_have_letters_and_pairs() -> None:
    assert terms_of("检索文 ok") == ["检", "索", "文", "检索", "索文", "ok"]


def test_runs_without_spaces_are_sought_by_pairs_and_then_by_chinese_characters() -> None:
    assert query_terms("检索文 ok 索") == ["检索", "索文", "ok", "索", "检", "文"]
    assert query_terms("東京のまち") == ["東京", "京の", "のま", "まち", "東", "京"]
    assert query_terms("한국어") == ["한국", "국어"]


def test_stop_words_are_sought_only_where_there_is_nothing_else() -> None:
    assert query_terms("What is the notice period?") == ["notic", "period"]
    assert query_terms("to be") == ["to", "be"]


def test_signs_are_no_words() -> None:
    assert query_terms("a&b !(x|z):* \u3002 _ __ \u2764") == ["b", "x", "z"]
    assert query_terms("\u2764 \u3002 &|!()") == []


@pytest.mark.parametrize(
    "query",
    [
        "❤️",
        "👩‍👩‍👧‍👦",
        "🇯🇵🇩🇪",
        "👍🏽",
        "\u200b\u200d",
        "\u202e",
        "\ufeff",
        '-"*',
        "&|!:*<->",
        "\ufe0f",
    ],
)
def test_pictures_and_what_nobody_sees_are_no_words(query: str) -> None:
    assert query_terms(query) == []
    assert terms_of(query) == []


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("x", ["x"]),
        ("检", ["检"]),
        ("the of and", ["the", "of", "and"]),
        ("AND OR NOT", ["and", "or", "not"]),
        ('bees AND (owls OR -foxes) "night*"', ["bee", "owl", "fox", "night"]),
        ("text:bees~2 ^4", ["text", "bee", "2", "4"]),
        ("bees🐝owls", ["bee", "owl"]),
    ],
)
def test_operators_are_words_or_nothing(query: str, terms: list[str]) -> None:
    assert query_terms(query) == terms


@given(st.text(max_size=300))
def test_any_text_has_short_terms_and_what_is_sought_is_among_them(text: str) -> None:
    found = terms_of(text)

    assert all(0 < len(term) <= MAX_TERM_CHARACTERS for term in found)
    assert set(query_terms(text)) <= set(found)


@pytest.mark.parametrize(
    "piece",
    ["a", "a ", "\u0300\u0316", "a\u200b", "中", "_", "\ufdfa", "a\u0300\u0316\u0300\u0316"],
)
def test_much_of_anything_is_read_in_one_go(piece: str) -> None:
    text = piece * (100_000 // len(piece))

    assert isinstance(terms_of(text), list)
    assert len(query_terms(text)) <= MAX_QUERY_TERMS
