"""Where processes count together. The main process of a server comes here, and never loads the counters."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "polyagent-metrics-"


@contextmanager
def counting_together(data_dir: Path) -> Iterator[None]:
    """Have the processes that are started inside count together, unless we were started so ourselves.

    The counts lie in the data directory where there is one: what a kill -9 leaves goes with it, or at
    the next start.
    """
    if DIRECTORY in os.environ:
        yield
        return
    elsewhere = Path(tempfile.gettempdir())
    place = data_dir if os.access(data_dir, os.W_OK) else elsewhere
    for each in (place, elsewhere):
        _sweep(each)
    directory = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place)
    os.environ[DIRECTORY] = directory
    try:
        yield
    finally:
        del os.environ[DIRECTORY]
        shutil.rmtree(directory, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove what was left by those that were killed."""
    for left in place.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def lives(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
