"""Which server a command talks to, and as whom."""

from collections.abc import Callable
from typing import Any

import rich_click as click

from polyagent.adapters.cli import credentials
from polyagent.adapters.cli.options import Command, address
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.waiting import wait
from polyagent.settings import Settings


def reaching(command: Command) -> Command:
    """Give the command `url` and `token`."""
    options = (
        click.option(
            "--url",
            callback=address,
            envvar="POLYAGENT_URL",
            show_envvar=True,
            help="Talk to the server of this address; needs a token.",
        ),
        click.option(
            "--token", envvar="POLYAGENT_TOKEN", show_envvar=True, help="An access token."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def access(
    load: LoadProduct, settings: Settings, url: str | None, token: str | None
) -> tuple[str, Callable[[], str]]:
    """Return the server's address and what gives a token for it.

    A token of our own is only ever sent to the data directory's own server.
    """
    if url is not None and token is None:
        raise click.UsageError("--url needs a --token, or POLYAGENT_TOKEN.")
    if token is not None:
        return url or load().endpoint(settings), lambda: token
    product = load()
    return product.endpoint(settings), lambda: wait(
        credentials.token(product, settings, username=credentials.ADMIN)
    )


def reached(load: LoadProduct, settings: Settings, url: str | None, token: str | None) -> Any:
    """Return a `Server`: imported late, since `--help` does not need it."""
    from polyagent.adapters.cli.server import Server

    return Server(*access(load, settings, url, token))
