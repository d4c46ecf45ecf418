"""What `polyagent up` shows: a line a step, a live one on a terminal, then how to use it."""

import os
import sys
import time
from typing import Protocol

import rich_click as click

from polyagent.adapters.cli.banner import banner
from polyagent.adapters.cli.invocation import invocation
from polyagent.configuration.sources import default_data_dir
from polyagent.domain.startup import Started


class Spinner(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...


class TerminalConsole:
    """`err`: its steps go to stderr, since stdout is for a machine."""

    def __init__(self, *, err: bool = False) -> None:
        self._err = err
        self._spinner: Spinner | None = None
        self._step = ""
        self._since = 0.0

    def step(self, text: str) -> None:
        self.done()
        if self._err or not sys.stdout.isatty():
            click.echo(text, err=self._err)
            return
        self._step, self._since = text, time.monotonic()
        self._spinner = spinner(text)
        self._spinner.start()

    def warn(self, text: str) -> None:
        self.done()
        click.secho(f"Warning: {text}", fg="yellow", err=True)

    def confirm(self, question: str) -> bool:
        self.done()
        return click.confirm(question, default=True)

    def ready(self, started: Started) -> None:
        self.done()
        command = invocation(sys.argv[0], os.environ)
        for line in banner(started, command, default_data_dir()):
            click.echo(line)

    def stopping(self, text: str) -> None:
        self.done()
        click.echo(text, err=self._err)

    def done(self) -> None:
        """Turn the live line into one that stays."""
        if self._spinner is None:
            return
        self._spinner.stop()
        self._spinner = None
        click.echo(f"{self._step} ({time.monotonic() - self._since:.1f} s)")


def spinner(text: str) -> Spinner:
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    kind = "dots" if console.encoding.startswith("utf") else "line"
    return console.status(escape(text), spinner=kind)
