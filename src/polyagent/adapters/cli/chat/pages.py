"""Where an answer is shown: a terminal, a pipe, a script."""

import os
import sys
import time
from typing import Protocol

import rich_click as click
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from polyagent.adapters.cli.chat.blocks import whole_blocks
from polyagent.adapters.cli.console import Spinner, spinner

REFRESH_S = 0.08
CODE_THEME = "ansi_dark"  # the terminal's own colours, no background


class Page(Protocol):
    @property
    def live(self) -> bool:
        """Say whether pieces are shown that may turn out void."""

    def wait(self) -> None:
        """Show that an answer is awaited."""

    def write(self, text: str) -> None: ...

    def finish(self) -> None:
        """End the message that was begun, if one was."""

    def add(self, line: str) -> None:
        """Show a line that belongs to the answer, below what was finished."""

    def note(self, text: str) -> None:
        """Show a line about how the answer comes."""


def page(*, plain: bool) -> Page:
    """Return the page for the terminal or the pipe that stdout is."""
    is_terminal = sys.stdout.isatty()
    if plain or not is_terminal or os.environ.get("TERM") == "dumb":
        return PlainPage(live=is_terminal)
    return MarkdownPage()


class PlainPage:
    """The answer as it stands."""

    def __init__(self, *, live: bool) -> None:
        self.live = live
        self._begun = False

    def wait(self) -> None: ...

    def write(self, text: str) -> None:
        click.echo(text, nl=False)
        self._begun = True

    def finish(self) -> None:
        if self._begun:
            click.echo()
        self._begun = False

    def add(self, line: str) -> None:
        click.echo(line)

    def note(self, text: str) -> None:
        click.secho(f"[{text}]", dim=True, err=True)


class MarkdownPage:
    """The answer as a person reads it: what is whole stays, the last block is drawn anew as it grows."""

    live = True

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._text = ""
        self._begun = False
        self._drawing: Live | None = None
        self._spinner: Spinner | None = None
        self._drawn_at = 0.0

    def wait(self) -> None:
        if self._spinner is None:
            self._spinner = spinner("")
            self._spinner.start()

    def write(self, text: str) -> None:
        self._text += text
        whole, self._text = whole_blocks(self._text)
        if whole:
            self._settle(whole)
        self._draw()

    def finish(self) -> None:
        text, self._text = self._text, ""
        if text.strip():
            self._settle(text)
        self._clear()
        self._begun = False

    def add(self, line: str) -> None:
        self._clear()
        click.echo(line)

    def note(self, text: str) -> None:
        self._clear()
        click.secho(f"[{text}]", dim=True, err=True)

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._drawn_at < REFRESH_S or not self._text.strip():
            return
        self._drawn_at = now
        if self._drawing is None:
            self._clear()
            self._drawing = Live(console=self._console, auto_refresh=False, transient=True)
            self._drawing.start()
        most = max(1, self._console.height - 1)
        self._drawing.update(Drawn(self._text, apart=self._begun, most=most), refresh=True)

    def _settle(self, text: str) -> None:
        self._clear()
        self._console.print(Drawn(text, apart=self._begun), end="")
        self._begun = True

    def _clear(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
        if self._drawing is not None:
            self._drawing.stop()
        self._spinner = self._drawing = None
        self._drawn_at = 0.0


class Drawn:
    """Markdown without empty lines around it; its last lines only, where there are `most`."""

    def __init__(self, text: str, *, apart: bool, most: int | None = None) -> None:
        self._markdown = Markdown(text, code_theme=CODE_THEME, hyperlinks=False)
        self._apart = apart
        self._most = most

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._markdown, options, pad=False)
        filled = [number for number, line in enumerate(lines) if _is_filled(line)]
        shown = lines[filled[0] : filled[-1] + 1] if filled else []
        shown = [[], *shown] if self._apart else shown
        for line in shown[-self._most :] if self._most else shown:
            yield from line
            yield Segment.line()


def _is_filled(line: list[Segment]) -> bool:
    return any(segment.text.strip() for segment in line)
