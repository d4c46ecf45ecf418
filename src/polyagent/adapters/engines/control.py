"""Stop the `up` of a data directory from outside, and take away what it made."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from polyagent.adapters.engines.datadir import DataDir, said_plainly
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.lock import Held, Lock, holder, is_held, pause

DOWN_WAIT_S = 60.0


def down(data_dir: Path, wait_s: float = DOWN_WAIT_S) -> bool:
    """Stop the `up` that runs there and wait for its end; False if none runs.

    Raises `EngineError` if it still runs after `wait_s`.
    """
    data = DataDir(data_dir)
    with said_plainly(data.lock):
        if not is_held(data.lock) or (pid := holder(data.lock)) is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        with Lock(data.lock) as lock:
            try:
                lock.acquire(pause=pause, wait_s=wait_s)
            except Held:
                raise EngineError(f"process {pid} did not stop in {wait_s:.0f} s") from None
            lock.release()
    return True


def reset(data_dir: Path) -> None:
    """Remove everything that we made there, for good. Raises `EngineError` while something runs there."""
    data = DataDir(data_dir)
    if not data.is_ours():
        raise EngineError(f"{data.path} is not a data directory of PolyAgent")
    with said_plainly(data.path), Lock(data.lock) as lock, Lock(data.engines_lock) as engines:
        for each in (lock, engines):
            try:
                each.acquire(pause=pause)
            except Held as held:
                raise EngineError(
                    f"{data.path} is in use by process {held.pid}: stop it first, `polyagent down`"
                ) from None
        data.erase()
