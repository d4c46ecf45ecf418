"""Bytes as text, in whatever encoding they are."""

import codecs

from charset_normalizer import from_bytes

from polyagent.adapters.extraction.formats.latin import LATIN, latin_encoding
from polyagent.domain.documents.filetype import HEAD, looks_utf16
from polyagent.domain.text import clean

SAMPLE = 64 * 1024
LIKELY = [
    *("ascii", "utf_8", "gb18030", "big5", "big5hkscs", "cp932", "euc_jp", "iso2022_jp", "cp949"),
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("cp874", "cp866", "koi8_r"),
]
# what is meant by these names: https://encoding.spec.whatwg.org/#names-and-labels
_MEANT = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "tis-620": "cp874",
}
_ASCII = bytes(range(128))
_BROKEN = 0.2
"""Of the letters beyond ASCII so many may be broken, and the text is UTF-8 yet."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(content: bytes, hint: str | None = None) -> str:
    """Return the text with `\\n` at the ends of its lines, without a byte order mark; what fits nothing is U+FFFD.

    `hint` is what somebody says that the encoding is, known to Python or not.
    """
    text = _decoded(content, hint).removeprefix("\ufeff")
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def _decoded(content: bytes, hint: str | None) -> str:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    for told in filter(None, (_meant(hint), hint, "utf-8")):
        try:
            return content.decode(told)
        except (LookupError, ValueError):
            continue
    if (hint and hint.lower() in ("utf-8", "utf8")) or _is_nearly_utf8(content):
        return content.decode("utf-8", "replace")
    if sixteen := looks_utf16(content[:HEAD]):
        return content.decode(sixteen, "replace")
    return content.decode(_guessed(content), "replace")


def _meant(hint: str | None) -> str | None:
    try:
        return _MEANT.get(codecs.lookup(hint or "").name)
    except (LookupError, ValueError):
        return None


def _is_nearly_utf8(content: bytes) -> bool:
    """Say whether it is a file in UTF-8 that was cut, or of which a few bytes are damaged."""
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    beyond = len(text) - (len(content) - len(content.translate(None, _ASCII)))
    return broken <= beyond * _BROKEN


def _guessed(content: bytes) -> str:
    sample = content[:SAMPLE]
    best = from_bytes(sample, cp_isolation=LIKELY).best()
    guess = best.encoding if best is not None else "cp1252"
    return (latin_encoding(sample) or guess) if guess in LATIN else guess
