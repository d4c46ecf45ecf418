"""Engines that this process holds: they end with it, however it ends."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.endpoints import Endpoints, running
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.lock import Lock
from polyagent.adapters.engines.plan import check_platform
from polyagent.adapters.engines.process.launch import launch
from polyagent.adapters.engines.reports import Failed, Ready, Report, Step, Wanted, Warned
from polyagent.adapters.engines.supervisor import take
from polyagent.adapters.engines.watch import Watch

RESTART_S = 0.5

Say = Callable[[str], None]


class Engines:
    """Engines that run, and processes that end when we do. `model_note` says what the model is, or why there is none."""

    def __init__(self, watch: Watch, endpoints: Endpoints, ready: Ready) -> None:
        self.endpoints = endpoints
        self.versions: Mapping[str, str] = ready.engines
        self.model_note = ready.model_note
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
async def held(wanted: Wanted, *, say: Say, warn: Say) -> AsyncIterator[Engines]:
    """Run the engines that are wanted, maybe none.

    Raises `EngineError`, also while another process holds the data directory.
    """
    check_platform()
    data = DataDir(Path(wanted.data_dir))
    data.open()
    with Lock(data.lock) as lock:
        take(lock, data)
        data.endpoints.unlink(missing_ok=True)
        watch = Watch(wanted)
        watch.start()
        try:
            ready = await _ready(watch, say, warn)
            if (endpoints := running(data.path)) is None:
                raise EngineError("the engines are gone as soon as they were ready")
            with _tended(watch, warn):
                yield Engines(watch, endpoints, ready)
        finally:
            watch.close()
            lock.release()


async def _ready(watch: Watch, say: Say, warn: Say) -> Ready:
    while watch.readers:
        for report in await asyncio.to_thread(watch.reports):
            match report:
                case Step(text):
                    say(text)
                case Warned(text):
                    warn(text)
                case Failed(detail):
                    raise EngineError(detail)
                case Ready():
                    return report
    raise EngineError("the watchdog of the engines failed")


@contextmanager
def _tended(watch: Watch, warn: Say) -> Iterator[None]:
    """Hear what the watchdog says from now on, and start another when it ends."""
    tending = _Tending(watch, warn)
    tending.begin()
    try:
        yield
    finally:
        tending.end()


class _Tending:
    def __init__(self, watch: Watch, warn: Say) -> None:
        self._watch = watch
        self._warn = warn
        self._loop = asyncio.get_running_loop()
        self._restart: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        for reader in self._watch.readers:
            self._loop.add_reader(reader, self._hear, reader)

    def _hear(self, reader: int) -> None:
        for report in self._watch.reports():
            self._tell(report)
        if not self._watch.readers:
            self._loop.remove_reader(reader)
            self._warn("The watchdog of the engines ended; starting another")
            self._restart = self._loop.call_later(RESTART_S, self._again)

    def _tell(self, report: Report) -> None:
        match report:
            case Warned(text) | Failed(text):
                self._warn(text)

    def _again(self) -> None:
        self._watch.close()
        self._watch.start()
        self.begin()

    def end(self) -> None:
        for reader in self._watch.readers:
            self._loop.remove_reader(reader)
        if self._restart is not None:
            self._restart.cancel()
