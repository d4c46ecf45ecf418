"""`polyagent up`: engines, preparation, gateway and worker, kept alive until somebody says stop."""

import signal
import time
from collections.abc import Iterator

from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.family import Family, StopAsked
from polyagent.adapters.engines.gguf import read_shape
from polyagent.adapters.engines.host import port
from polyagent.adapters.engines.host.lock import Held, Lock, pause
from polyagent.adapters.engines.plan import Plan, check_platform
from polyagent.adapters.engines.process.bell import Bell
from polyagent.ports.console import Console

# What a killed server leaves on its port is gone in a moment.
LEFTOVERS_S = 5.0


def up(plan: Plan, console: Console) -> int:
    """Run until SIGINT or SIGTERM; return 0, or 1 if an engine could not be kept running.

    Call it in the main thread. Raises `EngineError` for whatever keeps it from starting.
    """
    began = time.monotonic()
    check_platform()
    if plan.model_file is not None:
        read_shape(plan.model_file)
    data = DataDir(plan.data_dir)
    data.open()
    with Bell(_stops()) as bell, Lock(data.lock) as lock:
        take(lock, data)
        try:
            wait_s = LEFTOVERS_S if lock.was_abandoned else 0
            port.require_free(plan.host, plan.port, wait_s=wait_s)
            data.endpoints.unlink(missing_ok=True)
            return _live(Family(plan, data, console, bell), console, began)
        finally:
            lock.release()


def _stops() -> Iterator[signal.Signals]:
    yield from (signal.SIGINT, signal.SIGTERM)
    if (
        signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    ):  # nohup asks us to outlive the terminal
        yield signal.SIGHUP


def take(lock: Lock, data: DataDir) -> None:
    """Raises `EngineError` while another process holds it."""
    try:
        lock.acquire(pause=pause)
    except Held as held:
        raise EngineError(
            f"{data.path} is in use by process {held.pid}: `polyagent down` stops it,"
            " or choose another --data-dir"
        ) from None


def _live(family: Family, console: Console, began: float) -> int:
    try:
        console.ready(family.start(began))
        return _keep(family, console)
    except StopAsked:
        return 0
    finally:
        family.stop()


def _keep(family: Family, console: Console) -> int:
    try:
        family.keep()
    except EngineError as error:
        console.warn(error.detail)
    return 1
