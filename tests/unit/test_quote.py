"""Which quotations a text has, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.documents.quote import find

TEXT = (
    "The price is 2.5 % of 1,000 units, not -7.  Re\u0301sume\u0301s are ﬁnal; co\u00adop\u00aderate. "
    "A retri-\neval “test” — İstanbul.\n\n中\n文检索很好。 Well-\nknown cats."
)


@pytest.mark.parametrize(
    ("quote", "place"),
    [
        ("2.5 % of 1,000 units", "2.5 % of 1,000 units"),
        ("the price is 2.5 % of 1,000 units...", "The price is 2.5 % of 1,000 units"),
        ("Résumés are final", "Re\u0301sume\u0301s are ﬁnal"),
        ("cooperate.", "co\u00adop\u00aderate"),
        ('retrieval "test" - istanbul', "retri-\neval “test” — İstanbul"),
        ("中文检索", "中\n文检索"),
        ("文检 索很好", "文检索很好"),
        ("“Résumés  are\nfinal”", "Re\u0301sume\u0301s are ﬁnal"),
        ("not -7", "not -7"),
    ],
)
def test_a_quotation_is_found_however_its_letters_are_encoded(quote: str, place: str) -> None:
    found = find(quote, TEXT)

    assert found is not None
    assert TEXT[slice(*found)] == place


@pytest.mark.parametrize(
    "quote",
    [
        *("5 % of 1,000 units", "2.5 % of 1", "pric", "rice is", "7", "cat"),
        *("The cost is 2.5 %", "price is 2.6 %", "...", "", "“”", "中文搜索"),
    ],
)
def test_other_words_and_halves_of_words_or_numbers_are_no_quotation(quote: str) -> None:
    assert find(quote, TEXT) is None


WORDS = st.lists(st.text("abcxyzéß", min_size=1, max_size=8), min_size=1, max_size=30)


@given(WORDS, st.data())
def test_any_run_of_whole_words_is_found(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    text = "\n ".join(words)

    found = find(" ".join(words[start:end]), text)

    assert found is not None
    assert text[slice(*found)].split() == words[start:end]


@given(st.text(max_size=200), st.text(max_size=20))
def test_what_is_found_lies_in_the_text(text: str, quote: str) -> None:
    found = find(quote, text)

    assert found is None or 0 <= found[0] < found[1] <= len(text)


@pytest.mark.parametrize(
    ("quote", "text"),
    [("ba" * 2000, "ab" * 20_000), ("a" * 4000, "a " * 20_000), ("x", "\u0300" * 50_000)],
)
def test_awkward_texts_are_read_to_their_end(quote: str, text: str) -> None:
    assert find(quote, text) is None


@pytest.mark.parametrize(
    ("quote", "has_it"), [("10⁶ units", True), ("10^6 units", True), ("106 units", False)]
)
def test_an_exponent_is_no_digit_of_the_number(quote: str, has_it: bool) -> None:
    assert (find(quote, "A yield of 10⁶ units of H₂O.") is not None) is has_it
