"""A data directory that is gone afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.plan import check_platform


@contextmanager
def throwaway_directory() -> Iterator[Path]:
    check_platform()
    place = Path(tempfile.mkdtemp(prefix="polyagent-"))
    try:
        yield place
    finally:
        DataDir(place).erase()
        shutil.rmtree(place, ignore_errors=True)
