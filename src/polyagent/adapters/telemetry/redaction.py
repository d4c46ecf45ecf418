"""What a log must not hold: secrets under names that say so, and text that looks like one."""

import re
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"authorization|token|passw|secret|api_?key|ticket|cookie|credential|jwt|private", re.IGNORECASE
)
# A run of word characters has one place at most where each of these can begin: they stay linear
_SECRET_TEXT = re.compile(
    r"""
    (?<![\w-]) eyJ[\w-]*\.[\w-]+\.[\w-]*                  # a JWT
    | (?<![\w-]) pa_[A-Za-z0-9]+_[\w-]{8,}                # an API key of ours
    | (?<![\w-]) sk-[\w-]{16,}                            # an API key of a model service
    | (?<= bearer\s ) [\w.~+/=-]{16,}
    | (?<= basic\s ) [\w+/]{16,}={0,2}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DSN_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@/]+(?=@)")
_NAMED_SECRET = re.compile(
    r"""\b(\w*(?:password|passwd|secret|token|ticket|api_?key)(?:["']\s?:|=)\s?["']?)[^\s&"',;)]+""",
    re.IGNORECASE,
)
_POSSIBLE = re.compile(
    r"eyj|pa_|sk-|bearer|basic|://|passw|secret|token|ticket|api_?key", re.IGNORECASE
)


def redacted(value: Any, name: str = "") -> Any:
    """Return a JSON value without what looks secret; numbers stay, since counts are named tokens too."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if _is_secret_name(name):
        return REDACTED
    if isinstance(value, dict):
        return {str(key): redacted(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item) for item in value]
    return redacted_text(str(value))


@lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def redacted_text(text: str) -> str:
    if not _POSSIBLE.search(text):  # nearly every text: three searches less
        return text
    text = _SECRET_TEXT.sub(REDACTED, text)
    text = _DSN_PASSWORD.sub(rf"\1{REDACTED}", text)
    return _NAMED_SECRET.sub(rf"\1{REDACTED}", text)
