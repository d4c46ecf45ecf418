"""What a text is found by: the terms of its words, and bigrams where words have no spaces between them."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from Stemmer import Stemmer

from polyagent.domain.documents.document import Chunk
from polyagent.domain.documents.stop_words import STOP_WORDS

MAX_TERM_CHARACTERS = 64
MAX_QUERY_TERMS = 64

# Scripts without spaces: Thai, Lao, Myanmar, Khmer, Han, kana, bopomofo, Hangul (whose words are long).
WIDE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u312f"
    "\u3130-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
# Vowel signs and accents: no letters to `re`, but parts of words.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0\u0900-\u0963\u0970-\u0df3"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
)
_TOKEN = re.compile(rf"([{WIDE}]+)|((?:(?![{WIDE}_])[\w{_MARKS}])+)")
_WIDE_SIGNS = re.compile("[\u0e2f\u0e46\u0e4f\u0e5a\u0e5b\u104a-\u104f\u17d4-\u17da]")
# Among them what chooses between variants of a character, as in Japanese names and emoji.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff]"
)
# Vowels and other points that Hebrew and Arabic are mostly written without, and the stretching of words.
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06ed]"
)
# Putting marks in order takes time that grows with the square of their number.
_PILE = re.compile(rf"([{_MARKS}]{{16}})[{_MARKS}]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_ACCENTS = re.compile("(?<=[a-z])[\u0300-\u036f]+")
_LATIN = re.compile("[a-z\u00df-\u024f\u1e00-\u1eff]+")

_english = Stemmer("english", 0)  # without its cache: that one is not safe among threads


def terms_of(text: str) -> list[str]:
    """Return the terms of a text in their order, each as often as it occurs. Takes linear time.

    Two spellings of one word (normal forms, case, accents, ligatures, full width, soft hyphens, points) have one
    term. Words in Latin letters are cut to their stems. A run of Chinese, Japanese, Korean, Thai and the
    like has each letter, and each pair of neighbours.
    """
    found: list[str] = []
    for wide, word in _tokens(text):
        if wide:
            found += wide
            found += _pairs(wide)
        else:
            found.append(_term(word))
    return found


def terms_of_chunk(chunk: Chunk, filename: str) -> list[str]:
    """Return what a chunk is found by: its text, the headings it stands under, and its file's name (no suffix)."""
    return terms_of("\n".join((PurePosixPath(filename).stem, *chunk.headings, chunk.text)))


def query_terms(text: str) -> Sequence[str]:
    """Return the distinct terms to look for, at most `MAX_QUERY_TERMS`.

    Stop words are left out unless there is nothing else. Of a run that has pairs only the Chinese characters
    are sought by themselves, behind all else: a synonym often shares one.
    """
    words: dict[str, None] = {}
    stops: dict[str, None] = {}
    characters: dict[str, None] = {}
    for wide, word in _tokens(text):
        if wide:
            words |= dict.fromkeys(_pairs(wide) or wide)
            characters |= dict.fromkeys(_HAN.findall(wide))
        elif word in STOP_WORDS:
            stops[_term(word)] = None
        else:
            words[_term(word)] = None
    return [*((words | characters) or stops)][:MAX_QUERY_TERMS]


def visible(text: str) -> str:
    """Return a text without what nobody sees (soft hyphens, zero-width spaces), and with bounded piles of marks."""
    return _PILE.sub(r"\1", _INVISIBLE.sub("", text))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for found in _TOKEN.finditer(_folded(text)):
        yield found[1] or "", found[2] or ""


def _folded(text: str) -> str:
    shown = visible(text)
    if not shown.isascii():
        shown = _WIDE_SIGNS.sub(" ", unicodedata.normalize("NFKD", shown))
        shown = unicodedata.normalize("NFKD", shown.casefold())
        return unicodedata.normalize("NFC", _POINTS.sub("", _ACCENTS.sub("", shown)))
    return shown.lower()


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


@lru_cache(maxsize=50_000)
def _term(word: str) -> str:
    if len(word) > MAX_TERM_CHARACTERS:
        return word[:MAX_TERM_CHARACTERS]
    return _english.stemWord(word) if _LATIN.fullmatch(word) else word
