"""What is listed: lines of words below each other, or of JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec


def in_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a line a row, each column as wide as its longest word."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def json_line(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def json_lines(value: Any) -> str:
    """Return JSON as a person reads it."""
    return msgspec.json.format(json_line(value), indent=2)
