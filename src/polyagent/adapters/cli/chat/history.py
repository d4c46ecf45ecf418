"""What was typed before, kept beside the data it is about."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAX_ENTRIES = 1000


class History:
    """A file with one entry a line; line ends within one are written as in Python."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> Iterator[str]:
        """Yield the last ones, oldest first; where none can be read, none."""
        with suppress(OSError), self._path.open(encoding="utf-8", errors="replace") as file:
            for line in deque(file, MAX_ENTRIES):
                yield _unescaped(line.rstrip("\n"))

    def add(self, entry: str) -> None:
        """Keep it for the next talk, unless that cannot be."""
        line = entry.replace("\\", "\\\\").replace("\n", "\\n").encode(errors="replace") + b"\n"
        with suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(line)


def _unescaped(line: str) -> str:
    parts = line.split("\\\\")
    return "\\".join(part.replace("\\n", "\n") for part in parts)
