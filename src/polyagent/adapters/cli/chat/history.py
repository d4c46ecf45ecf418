"""What was typed before, kept beside the data it is about."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_LINES = 1000


@contextmanager
def remembered(path: Path) -> Iterator[None]:
    """Give `input` a history that lasts; where there can be none, none."""
    try:
        import readline
    except ImportError:  # Windows
        yield
        return
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(MAX_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(path)
