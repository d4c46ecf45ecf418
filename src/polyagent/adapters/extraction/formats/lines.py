"""Blocks of a text by its lines."""

import re
from collections.abc import Iterator

from polyagent.domain.documents.document import Block

_LINE = re.compile(r"[^\n]*\n?")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def blocks_of(text: str, *, markdown: bool = False) -> Iterator[Block]:
    """Return what stands between empty lines; of Markdown also headings, and fenced code as it is."""
    start: int | None = None
    fence = ""
    for found in _LINE.finditer(text):
        line, begin, end = found[0], found.start(), found.end()
        mark = _FENCE.match(line) if markdown else None
        if mark and (not fence or mark[1] == fence):
            fence = "" if fence else mark[1]
        heading = _HEADING.match(line) if markdown and not fence else None
        if start is not None and (heading or (not fence and not line.strip())):
            yield Block(kind="paragraph", start=start, end=begin)
            start = None
        if heading:
            yield Block(kind="heading", start=begin, end=end, level=len(heading[1]))
        elif start is None and line.strip():
            start = begin
    if start is not None:
        yield Block(kind="paragraph", start=start, end=len(text))
