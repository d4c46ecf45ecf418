"""Which files the command line means."""

import sys
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from io import BytesIO, FileIO
from os import fstat
from pathlib import Path
from stat import S_ISFIFO, S_ISREG
from typing import BinaryIO, cast

import msgspec
import rich_click as click

from polyagent.adapters.cli.server import utf8
from polyagent.domain.documents.filetype import FORMATS, OFFICE, TEXTS

STDIN = "-"
EXTENSIONS = frozenset({".pdf", *OFFICE, *TEXTS})


class Source(msgspec.Struct, frozen=True):
    """A file; `path` None: what is piped in."""

    name: str
    path: Path | None = None

    def open(self) -> BinaryIO:
        """Raises `OSError`."""
        if self.path is None:
            return BytesIO(sys.stdin.buffer.read())
        file = _AsItWas(self.path)
        if file.size:
            return cast("BinaryIO", file)
        with file:  # a pipe, or what the system makes as it is read
            return BytesIO(file.readall() or b"")


class _AsItWas(FileIO):
    """A file as long as it was when it was opened: others may be writing on.

    `size` is 0 where that is not known before it is read. Raises `OSError` for devices, which have no end.
    """

    def __init__(self, path: Path) -> None:
        kind = path.stat().st_mode
        if not (S_ISREG(kind) or S_ISFIFO(kind)):
            raise OSError(None, "It is no file.")
        super().__init__(path)
        self.size = fstat(self.fileno()).st_size

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""


def sources(words: Iterable[str], piped_name: str) -> list[Source]:
    """Return each file that is meant once, in order.

    A directory stands for all files in it and below whose names end as those of documents do, hidden ones
    left out; `-` for what is piped in. Patterns that no shell has resolved are. Raises `click.UsageError`.
    """
    found = dict.fromkeys(source for word in words for source in _meant(word, piped_name))
    return [*found]


def _meant(word: str, piped_name: str) -> list[Source]:
    if word == STDIN:
        return [Source(piped_name)]
    paths = [Path(word)]
    if not paths[0].exists() and has_magic(word):
        paths = [Path(path) for path in sorted(glob(word, recursive=True))]  # noqa: PTH207 - any root
    found = [file for path in paths for file in _below(path)]
    if found:
        return [Source(utf8(file.name), file) for file in found]
    if paths[:1] and paths[0].is_dir():
        raise click.UsageError(f"In {word} there is no file that can be read: {FORMATS}.")
    raise click.UsageError(f"There is no file {word}.")


def _below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if path.exists():
            yield path
        return
    for file in sorted(path.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.suffix.lower() in EXTENSIONS and not is_hidden and file.is_file():
            yield file
