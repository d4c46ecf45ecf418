"""Names of files: what a browser says when it uploads one, and what it is told when it downloads it."""

import unicodedata
from urllib.parse import quote

MOST = 200
UNNAMED = "file"
_LETTERS = "!#$&+.^_`|~-"  # of RFC 8187's attr-char, beside letters and digits
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def clean_filename(name: str) -> str:
    """Return a name that is one part of a path, visible throughout, composed (NFC), of at most 200 characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    visible = "".join(c for c in last if unicodedata.category(c) not in _INVISIBLE)
    plain = unicodedata.normalize("NFC", visible).strip()
    if not plain.strip("."):
        return UNNAMED
    stem, dot, extension = plain.rpartition(".")
    if len(plain) <= MOST:
        return plain
    if not dot or len(extension) > MOST // 10:
        return plain[:MOST]
    return f"{stem[: MOST - len(extension) - 1]}.{extension}"


def attachment(name: str) -> str:
    """Return the header `Content-Disposition` for a file that is to be kept, not shown.

    https://www.rfc-editor.org/rfc/rfc6266#section-4, https://www.rfc-editor.org/rfc/rfc8187#section-3.2
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = plain.translate({ord(c): "_" for c in '"\\%'}) or UNNAMED
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_LETTERS)}"
