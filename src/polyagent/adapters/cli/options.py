"""Options that several commands share."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from polyagent.configuration.loading import gather, settle
from polyagent.configuration.sources import Values
from polyagent.settings import Settings

Command = Callable[..., Any]


class Place(msgspec.Struct, frozen=True):
    """Where the command line says that things are."""

    data_dir: Path | None
    config: Path | None

    def values(self) -> Values:
        """Return what is configured, and where. Raises `SettingsError`."""
        return gather(self.config, os.environ, self.data_dir)

    def settings(self, **server: Any) -> Settings:
        """Load the settings; what is not None in `server` wins over them. Raises `SettingsError`."""
        settings = settle(self.values())
        said = {name: value for name, value in server.items() if value is not None}
        changed = msgspec.structs.replace(settings.server, **said)
        return msgspec.structs.replace(settings, server=changed)


def located(command: Command) -> Command:
    """Give the command a `place`."""

    @click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where everything is kept, or POLYAGENT_DATA_DIR.",
    )
    @click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A file of settings, or POLYAGENT_CONFIG; else config.yaml in the data directory.",
    )
    @functools.wraps(command)
    def with_place(*args: Any, data_dir: Path | None, config: Path | None, **others: Any) -> Any:
        return command(*args, place=Place(data_dir, config), **others)

    return with_place


def listening(command: Command) -> Command:
    """Give the command `host`, `port` and `workers`."""
    options = (
        click.option("--host", help="The address to listen on; 127.0.0.1 unless set."),
        click.option("--port", type=click.IntRange(0, 65_535), help="8080 unless set; 0: any."),
        click.option("--workers", type=click.IntRange(1, 256), help="Gateway processes."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def extended(command: Command) -> Command:
    """Let the command be told of an operator's own; this process and its children find it as POLYAGENT_APP."""

    def named(_: click.Context, __: click.Parameter, target: str | None) -> None:
        if target is not None:
            os.environ["POLYAGENT_APP"] = target

    return click.option(
        "--app",
        metavar="MODULE:NAME",
        callback=named,
        expose_value=False,
        help="Your own tools and adapters (a polyagent.app.App), or POLYAGENT_APP.",
    )(command)


def address(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    """Refuse an address that is none."""
    if url is not None and not url.startswith(("http://", "https://")):
        raise click.BadParameter("an address begins with http:// or https://")
    return url
