"""Whatever a function returns, as JSON that PostgreSQL can store."""

import math
from typing import Any

import msgspec

from polyagent.domain.text import clean

MAX_DEPTH = 64
INTEGERS = range(-(2**63), 2**64)
MAX_WRITTEN_BITS = 14_000
TOO_DEEP = "[left out: nested too deep]"


def storable(value: Any, *, max_bytes: int) -> Any:
    """Return `value` with finite numbers, clean text, bounded depth and size.

    What is too large becomes the beginning of its JSON text, with a note that says so.
    Raises `TypeError` for what JSON cannot say.
    """
    fit = _fit(value, MAX_DEPTH)
    encoded = msgspec.json.encode(fit)
    return fit if len(encoded) <= max_bytes else _cut(encoded, max_bytes)


def _fit(value: Any, levels: int) -> Any:
    match value:
        case str():
            return clean(value)
        case None | bool():
            return value
        case int():
            return _whole(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case dict() | list() | tuple() if levels == 0:
            return TOO_DEEP
        case dict():
            return {clean(str(key)): _fit(item, levels - 1) for key, item in value.items()}
        case list() | tuple():
            return [_fit(item, levels - 1) for item in value]
        case _:
            return _fit(msgspec.to_builtins(value), levels)


def _whole(value: int) -> int | str:
    """Return a number of 64 bits as it is; readers of JSON would round a longer one."""
    if value in INTEGERS:
        return value
    if value.bit_length() > MAX_WRITTEN_BITS:
        return f"[left out: a number of {value.bit_length()} bits]"
    return str(value)


def _cut(encoded: bytes, max_bytes: int) -> dict[str, Any]:
    # JSON inside JSON escapes its quotes and backslashes: at most twice as long
    text = encoded[: max(0, max_bytes // 2 - 200)].decode(errors="ignore")
    note = f"The result has {len(encoded)} bytes of JSON; this is its beginning."
    return {"truncated": True, "note": note, "text": text}
