"""Finding a quotation in the text that it is said to be from, however its letters are encoded."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from polyagent.domain.documents.terms import WIDE, visible

_CLUSTER = re.compile(r"\s{1,1000}|[^\s](?:[\u0300-\u036f\u3099\u309a]{1,16})?")
_IS_WIDE = re.compile(f"[{WIDE}]")
_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)
_BROKEN_WORD = re.compile(r"(?<=\w)[-\u2010]\n\s*(?=\w)")
_EDGES = " \"'.,;:!?\u2026()[]{}\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f\u300c\u300d"
_IN_NUMBERS = ".,'"

MAX_PLACES = 100
"""So many times half a word is found before a whole one is given up."""


class _Folded:
    """A text as it is compared; `places[i]` is where in the original the letter at `i` stands."""

    def __init__(self, text: str, *, join: bool) -> None:
        self._original = len(text)
        letters: list[str] = []
        self.places: list[int] = []
        for at, letter in _letters(text, join=join):
            if letter == " " and (not letters or letters[-1] == " "):
                continue
            if len(letters) > 1 and letters[-1] == " " and _between_wide(letters[-2], letter):
                letters.pop()
                self.places.pop()
            letters.append(letter)
            self.places.append(at)
        self.text = "".join(letters)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the positions in the original of the letters from `start` to before `end`."""
        after = self.places[end] if end < len(self.places) else self._original
        return self.places[start], after


def find(quote: str, text: str) -> tuple[int, int] | None:
    """Return where the text has the quotation, word for word: from, and before which character.

    Case, white space, normal forms, ligatures, kinds of quotation marks and dashes, punctuation at its
    ends and words broken at the end of a line make no difference. Half a word, or half a number, is none.
    """
    for join in (False, True):
        sought = _compared(quote, join).text.strip(_EDGES)
        if not any(letter.isalnum() for letter in sought):
            return None
        folded = _compared(text, join)
        if (at := _whole(sought, folded.text)) is not None:
            start, end = folded.span(at, at + len(sought))
            return start, start + len(text[start:end].rstrip())
    return None


@lru_cache(maxsize=256)
def _compared(text: str, join: bool) -> _Folded:
    return _Folded(text, join=join)


def _letters(text: str, *, join: bool) -> Iterator[tuple[int, str]]:
    """Yield each letter as it is compared, with its place."""
    broken = {found.start(): found.end() for found in _BROKEN_WORD.finditer(text)} if join else {}
    after = 0
    for found in _CLUSTER.finditer(text):
        at = found.start()
        after = max(after, broken.get(at, 0))
        if at >= after:
            for letter in _folded(found[0]):
                yield at, letter


@lru_cache(maxsize=10_000)
def _folded(cluster: str) -> str:
    """Fold a letter with its marks, or white space."""
    if cluster.isspace():
        return " "
    if cluster.isdigit() and unicodedata.decomposition(cluster[0]).startswith("<super>"):
        return f"^{unicodedata.digit(cluster[0])}"  # ten to the sixth is not a hundred and six
    shown = visible(cluster).translate(_SAME)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())
    return folded.translate(_SAME).replace("\u0307", "")


def _between_wide(before: str, after: str) -> bool:
    return bool(_IS_WIDE.match(before) and _IS_WIDE.match(after))


def _whole(sought: str, text: str) -> int | None:
    at = -1
    for _ in range(MAX_PLACES):
        at = text.find(sought, at + 1)
        if at < 0:
            return None
        if _begins(text, at) and _ends(text, at + len(sought)):
            return at
    return None


def _begins(text: str, at: int) -> bool:
    before, first = text[max(0, at - 2) : at], text[at]
    if not before or not first.isalnum():
        return True
    if first.isdigit() and (before[-1] == "-" or _splits_number(before)):
        return False
    return not _one_word(before[-1], first)


def _ends(text: str, end: int) -> bool:
    last, after = text[end - 1], text[end : end + 2]
    if not after or not last.isalnum():
        return True
    if last.isdigit() and len(after) == 2 and _splits_number(after[::-1]):
        return False
    return not _one_word(last, after[0])


def _splits_number(pair: str) -> bool:
    """Say whether a digit and a sign of the inside of numbers, in this order, go on to a number."""
    return len(pair) == 2 and pair[0].isdigit() and pair[1] in _IN_NUMBERS


def _one_word(left: str, right: str) -> bool:
    both = left.isalnum() and right.isalnum()
    return both and not (_IS_WIDE.match(left) or _IS_WIDE.match(right))
