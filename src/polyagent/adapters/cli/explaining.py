"""A setting in words: what it means, is and may be, and how to set it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from polyagent.configuration.keys import keys
from polyagent.configuration.loading import masked, settle
from polyagent.configuration.meanings import meanings
from polyagent.configuration.sources import Values, defaults, variables
from polyagent.configuration.wording import allowed
from polyagent.configuration.wording import masked as masked_value
from polyagent.settings import SettingsError

LABEL = 10


def explained(key: str, values: Values) -> Iterator[str]:
    """Yield the lines about a key, or a short pair about each key of a section."""
    if key in keys():
        yield _title(key)
        for label, text in _facts(key, values):
            yield f"  {label:{LABEL}}{text}"
        return
    for name in (name for name in keys() if name.startswith(f"{key}.")):
        yield _title(name)
        yield f"  {_value(name, values)}"


def _title(key: str) -> str:
    return f"{key}: {meanings().get(key, 'not described')}"


def _facts(key: str, values: Values) -> Iterator[tuple[str, str]]:
    usual = defaults().get(key)
    yield "value", _value(key, values)
    if wrong := _wrong(key, values):
        yield "wrong", wrong
    yield "default", _written(masked_value(key, usual and usual.value))
    yield "allowed", allowed(keys()[key])
    yield "set it by", ", ".join((_yaml(key), *variables(key)))


def _value(key: str, values: Values) -> str:
    """Return what is in force, or what was written where the settings are wrong; and who wrote it."""
    given = values.get(key)
    section, _, name = key.rpartition(".")
    try:
        tree = masked(settle(values))
        value = (tree[section] if section else tree)[name]
    except SettingsError:
        value = masked_value(key, given and given.value)
    origin = given.origin if given and not given.is_default else "the default"
    return f"{_written(value)} ({origin})"


def _wrong(key: str, values: Values) -> str | None:
    try:
        settle(values)
    except SettingsError as error:
        return error.detail if error.detail.startswith(f"{key} ") else None
    return None


def _yaml(key: str) -> str:
    section, _, name = key.rpartition(".")
    return f"{section}: {{{name}: ...}} in config.yaml" if section else f"{name}: in config.yaml"


def _written(value: Any) -> str:
    return msgspec.json.encode(value).decode()
