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
def counting_together() -> Iterator[None]:
    """Have the processes that are started inside count together, unless we were started so ourselves."""
    if DIRECTORY in os.environ:
        yield
        return
    _sweep()
    directory = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    os.environ[DIRECTORY] = directory
    try:
        yield
    finally:
        del os.environ[DIRECTORY]
        shutil.rmtree(directory, ignore_errors=True)


def _sweep() -> None:
    """Remove what was left by those that were killed."""
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = place.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not lives(int(pid)):
            shutil.rmtree(place, ignore_errors=True)


def lives(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
