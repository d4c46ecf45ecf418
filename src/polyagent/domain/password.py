"""Passwords that everybody tries first."""

import unicodedata
from functools import cache
from importlib.resources import files

from polyagent.domain.errors import Fault, PasswordCommon

LIST = "common_passwords.txt"


def is_common(password: str) -> bool:
    """Say whether it is one of the list, in whatever case and width it is written."""
    return unicodedata.normalize("NFKC", password).casefold() in _common()


def require_uncommon(password: str) -> None:
    """Raises `PasswordCommon`."""
    if is_common(password):
        fault = Fault("#/password", "It is one of those that everybody tries first.")
        raise PasswordCommon(f"{fault.detail} Choose another.", faults=(fault,))


@cache
def _common() -> frozenset[str]:
    text = files("polyagent.domain").joinpath(LIST).read_text(encoding="utf-8")
    return frozenset(text.split())
