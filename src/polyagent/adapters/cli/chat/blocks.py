"""Cutting growing Markdown where nothing that comes can change what stands before."""

import re

FENCE = re.compile(r"\s*(`{3,}|~{3,})(.*)")


def whole_blocks(text: str) -> tuple[str, str]:
    """Return what is whole and what may still change: cut at the last blank line outside of code.

    What follows must have begun, and not indented: that would belong to a list's item.
    """
    fence, after_blank, cut, at = "", False, 0, 0
    for line in text.split("\n"):
        if after_blank and not fence and line.strip() and not line[0].isspace():
            cut = at
        fence = _fence(fence, line)
        after_blank = not line.strip()
        at += len(line) + 1
    return text[:cut], text[cut:]


def _fence(fence: str, line: str) -> str:
    """Return the fence of the code that goes on behind the line, if any."""
    found = FENCE.match(line)
    if found is None:
        return fence
    mark, rest = found.groups()
    if not fence:
        return mark
    return "" if mark.startswith(fence) and not rest.strip() else fence
