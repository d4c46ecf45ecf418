"""Tables as people read them in a terminal and in a page of Markdown."""

import sys
from collections.abc import Iterable, Sequence

Cell = str | float | int


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    lines = [list(columns), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    say(f"\n### {title}\n")
    for line in (lines[0], rule, *lines[1:]):
        first, *others = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        say(f"| {' | '.join(cells)} |")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _text(cell: Cell) -> str:
    """Three figures of a number are as many as it is worth."""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
