"""The command that shows the settings."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import rich_click as click

from polyagent.adapters.cli.options import Place, located
from polyagent.configuration.loading import masked, settle


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@located
def show(place: Place) -> None:
    """Print every setting as YAML, secrets masked, and where those come from that are not defaults."""
    values = place.values()
    tree = masked(settle(values))
    origins = {key: given.origin for key, given in values.items() if not given.is_default}
    for line in _lines(tree, origins):
        click.echo(line)


def _lines(tree: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield f"\n{name}:"
            yield from (f"  {_line(f'{name}.{key}', value[key], origins)}" for key in value)
        else:
            yield _line(name, value, origins)


def _line(key: str, value: Any, origins: Mapping[str, str]) -> str:
    written = msgspec.json.encode(value).decode()
    origin = f" # {origins[key]}" if key in origins else ""
    return f"{key.rpartition('.')[2]}: {written}{origin}"
