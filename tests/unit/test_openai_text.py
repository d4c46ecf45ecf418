from hypothesis import given
from hypothesis import strategies as st

from polyagent.adapters.openai.reading.text import Joiner
from polyagent.domain.text import clean

UNITS = st.sampled_from(["a", "\x00", "\ud83d", "\ude00", "é"])


def joined(pieces: list[str]) -> str:
    joiner = Joiner()
    return "".join([*map(joiner.add, pieces), joiner.end()])


@given(st.lists(st.text(UNITS, max_size=4)))
def test_pieces_are_cleaned_as_the_whole_would_be(pieces: list[str]) -> None:
    assert joined(pieces) == clean("".join(pieces))


def test_a_half_is_kept_back_until_the_other_comes() -> None:
    joiner = Joiner()

    assert joiner.add("a\ud83d") == "a"
    assert joiner.add("\ude00") == "😀"
