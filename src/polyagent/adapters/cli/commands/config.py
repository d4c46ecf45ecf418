"""The command that shows the settings."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import rich_click as click

from polyagent.adapters.cli.explaining import explained
from polyagent.adapters.cli.options import Place, located
from polyagent.configuration.keys import keys, neighbours, sections
from polyagent.configuration.loading import masked, settle
from polyagent.configuration.sources import NAMED

MOST_NEIGHBOURS = 3


@click.group()
def config() -> None:
    """Look at the settings."""


def _completed(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    return sorted(key for key in (*keys(), *sections()) if key.startswith(begun))


def _known(_: click.Context, __: click.Parameter, key: str | None) -> str | None:
    """Take a key, a section, or a variable that sets a key."""
    if key is None or key in keys() or key in sections():
        return key
    if key in NAMED:
        return NAMED[key]
    near = neighbours(key, (*keys(), *sections(), *NAMED), most=MOST_NEIGHBOURS)
    raise click.BadParameter(f"there is no setting {key}; did you mean {' or '.join(near)}?")


@config.command()
@click.option(
    "--explain",
    "key",
    metavar="KEY",
    callback=_known,
    shell_complete=_completed,
    help="Say what one setting (server.port), or each of a section (server), is and may be.",
)
@located
def show(place: Place, key: str | None) -> None:
    """Print every setting as YAML, secrets masked, and where those come from that are not defaults."""
    values = place.values()
    if key is not None:
        lines = explained(key, values)
    else:
        origins = {name: given.origin for name, given in values.items() if not given.is_default}
        lines = _lines(masked(settle(values)), origins)
    for line in lines:
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
