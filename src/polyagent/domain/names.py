"""Names that people give themselves: what looks alike is alike, and nothing in them is invisible."""

import unicodedata
from typing import Annotated, Any

import msgspec

from polyagent.domain.errors import Fault, Invalid

# Python's $ also stands before a last line end; readers of the OpenAPI document know no \Z
_END = r"$(?!\n)"
Username = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=rf"^[\w.@+-]+{_END}")]
Email = Annotated[
    str, msgspec.Meta(min_length=3, max_length=254, pattern=rf"^[^@\s]+@[^@\s]+{_END}")
]

_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")


def same_name(name: str) -> str:
    """Return the one spelling of all that look like `name`: full-width letters are letters.

    https://www.unicode.org/reports/tr15/
    """
    return unicodedata.normalize("NFKC", name)


def fit_username(name: str) -> str:
    """Return the name as it is kept. Raises `Invalid`."""
    return _fit(name, Username, "#/username")


def fit_email(email: str) -> str:
    """Return the email as it is kept. Raises `Invalid`."""
    return _fit(email, Email, "#/email")


def _fit(text: str, kind: Any, pointer: str) -> str:
    same = same_name(text)
    if not same.isprintable() or _BLANK_LETTERS & set(same):
        raise _unfit(pointer, "It has characters that nobody can see.")
    try:
        msgspec.convert(same, kind)
    except msgspec.ValidationError as error:
        raise _unfit(pointer, f"{error}.") from error
    return same


def _unfit(pointer: str, why: str) -> Invalid:
    return Invalid(f"{why} ({pointer})", faults=(Fault(pointer, why),))
