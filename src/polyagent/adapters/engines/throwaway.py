"""Engines for half a minute, in a directory that is gone afterwards."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.endpoints import Endpoints, running
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.lock import Lock, pause
from polyagent.adapters.engines.plan import check_platform
from polyagent.adapters.engines.process.launch import launch
from polyagent.adapters.engines.reports import Failed, Ready, Step, Wanted
from polyagent.adapters.engines.watch import Watch


class Throwaway:
    """Engines that run, and processes that end when we do, however that goes."""

    def __init__(self, watch: Watch, endpoints: Endpoints, versions: Mapping[str, str]) -> None:
        self.endpoints = endpoints
        self.versions = versions
        self._watch = watch

    def launch(
        self, argv: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Start `argv` as the head of a process group. Call it from the main thread."""
        with log.open("ab") as out:
            process = launch(
                argv,
                death_signal=signal.SIGKILL,
                env=environment,
                cwd=Path.cwd(),
                stdout=out.fileno(),
                stderr=out.fileno(),
            )
        self._watch.guard(process.pid)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL the whole group at once, and wait for the end of its head."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._watch.forget(process.pid)


@asynccontextmanager
async def throwaway(
    place: Path, *, postgres: bool, valkey: bool, say: Callable[[str], None]
) -> AsyncIterator[Throwaway]:
    """Run the engines that are wanted, maybe none, on `place`. Raises `EngineError`."""
    data = DataDir(place)
    data.open()
    with Lock(data.lock) as lock:
        lock.acquire(pause=pause)
        watch = Watch(_wanted(place, postgres=postgres, valkey=valkey))
        watch.start()
        try:
            ready = await _ready(watch, say)
            if (endpoints := running(place)) is None:
                raise EngineError("the engines are gone as soon as they were ready")
            yield Throwaway(watch, endpoints, ready.engines)
        finally:
            watch.close()


@contextmanager
def throwaway_directory() -> Iterator[Path]:
    check_platform()
    place = Path(tempfile.mkdtemp(prefix="polyagent-selftest-"))
    try:
        yield place
    finally:
        DataDir(place).erase()
        shutil.rmtree(place, ignore_errors=True)


def _wanted(place: Path, *, postgres: bool, valkey: bool) -> Wanted:
    return Wanted(
        data_dir=str(place),
        server_url="",
        postgres=postgres,
        valkey=valkey,
        model=False,
        model_file=None,
    )


async def _ready(watch: Watch, say: Callable[[str], None]) -> Ready:
    while watch.readers:
        for report in await asyncio.to_thread(watch.reports):
            match report:
                case Step(text):
                    say(text)
                case Failed(detail):
                    raise EngineError(detail)
                case Ready():
                    return report
    raise EngineError("the watchdog of the engines failed")
