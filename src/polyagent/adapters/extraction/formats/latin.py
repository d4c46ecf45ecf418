"""Which encoding of Latin letters: the same bytes are letters in all of them, but not of one language.

https://charset-normalizer.readthedocs.io/ takes the first that fits, and so Swedish for Slovak.
"""

import re

# by encoding, the letters beside those of ASCII that a language of it has
_ALPHABETS = {
    "cp1252": (
        "àâæçèéêëîïôœùûüÿ",
        "äöüß",
        "áéíñóúüªº",
        "áâãàçéêíóôõúüªº",
        "àèéìíîòóù",
        "åäöé",
        "æøåéóü",
        "éèëïöüáíóúêç",
        "àçèéíïòóúü",
        "áðéíóúýþæö",
    ),
    "cp1254": ("çğ\u0131öşüâîû",),
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž"),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
}
_TOUCHING = re.compile(r"(?<=[A-Za-z])[^\x00-\x7f]+|[^\x00-\x7f]+(?=[A-Za-z])")
# marks that stand at words
_APART = frozenset(
    "\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a\xab\xbb\u2013\u2014\u2026\u2022\xb7\xa0\xad\xa9\xae\u2122\xb0\xb2\xb3\u0307"
)
LATIN = frozenset({*_ALPHABETS, "cp1258"})


def latin_encoding(content: bytes) -> str | None:
    """Return the first in which the letters are those of one language, None if there is none."""
    for encoding, alphabets in _ALPHABETS.items():
        try:
            text = content.decode(encoding).casefold()
        except UnicodeDecodeError:
            continue
        touching = {letter for run in _TOUCHING.findall(text) for letter in run} - _APART
        letters = touching | {letter for letter in {*text} if letter > "\x7f" and letter.isalpha()}
        if any(letters <= {*alphabet} for alphabet in alphabets):
            return encoding
    return None
