"""Bytes as text, in whatever encoding they are."""

import codecs

from charset_normalizer import from_bytes

from polyagent.domain.documents.filetype import HEAD, looks_utf16
from polyagent.domain.text import clean

SAMPLE = 64 * 1024
UNLIKELY = ["utf_7", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]
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
    for told in filter(None, (hint, "utf-8")):
        try:
            return content.decode(told)
        except (LookupError, ValueError):
            continue
    if hint and hint.lower() in ("utf-8", "utf8"):
        return content.decode("utf-8", "replace")
    if sixteen := looks_utf16(content[:HEAD]):
        return content.decode(sixteen, "replace")
    return content.decode(_guessed(content), "replace")


def _guessed(content: bytes) -> str:
    best = from_bytes(content[:SAMPLE], cp_exclusion=UNLIKELY).best()
    return best.encoding if best is not None else "cp1252"
