"""The settings by their keys: `server.port`."""

import difflib
import functools
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from polyagent.settings import Section, Settings


@functools.cache
def keys() -> Mapping[str, Any]:
    """Return every key with the type of its value."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        if isinstance(hint, type) and issubclass(hint, Section):
            fields = get_type_hints(hint, include_extras=True)
            found |= {f"{name}.{field}": fields[field] for field in hint.__struct_fields__}
        else:
            found[name] = hint
    return found


@functools.cache
def sections() -> frozenset[str]:
    return frozenset(key.partition(".")[0] for key in keys() if "." in key)


def nearest(key: str, known: Iterable[str]) -> str:
    return neighbours(key, known, most=1)[0]


def neighbours(key: str, known: Iterable[str], *, most: int) -> list[str]:
    """Return those that resemble `key`, the nearest first; one at least."""
    near = difflib.get_close_matches(key, known := list(known), n=most)
    return near or difflib.get_close_matches(key, known, n=1, cutoff=0.0)
