"""The processes of one `up`, seen from the supervisor."""

import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import msgspec

from polyagent.adapters.engines.child import Child
from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host import port
from polyagent.adapters.engines.plan import Plan
from polyagent.adapters.engines.process.bell import Bell
from polyagent.adapters.engines.process.kept import Kept
from polyagent.adapters.engines.process.launch import ended_how, launch, stop
from polyagent.adapters.engines.reports import Failed, Ready, Step, Wanted, Warned
from polyagent.adapters.engines.watch import Watch
from polyagent.domain.startup import Prepared, Started
from polyagent.ports.console import Console

READY_PATH = "/health/ready"
READY_S = 120.0
TICK_S = 0.05
IDLE_S = 0.5


class StopAsked(Exception):
    """Somebody sent SIGINT or SIGTERM."""


class Family:
    def __init__(self, plan: Plan, data: DataDir, console: Console, bell: Bell) -> None:
        self._plan = plan
        self._data = data
        self._console = console
        self._bell = bell
        self._environment = {**plan.environment, "POLYAGENT_DATA_DIR": str(data.path)}
        self._watch = Watch(_wanted(plan, data))
        self._watchdog = Kept(self._watch.start)
        self._gateway = Child("the gateway", plan.gateway, self._environment, self._watch)
        self._worker = Child("the worker", plan.worker, self._environment, self._watch)
        self._engines: Ready | None = None

    def start(self, began: float) -> Started:
        """Bring everything up. Raises `EngineError` and `StopAsked`; call `stop` in any case."""
        self._watchdog.start()
        engines = self._await_engines()
        self._console.step("Preparing the database")
        prepared = self._prepare()
        self._console.step("Starting the server")
        self._gateway.start()
        self._worker.start()
        self._await_gateway()
        return Started(
            url=port.url(self._plan.host, self._plan.port),
            data_dir=str(self._data.path),
            prepared=prepared,
            model=engines.model or self._plan.model_elsewhere,
            model_note=engines.model_note,
            engines=engines.engines,
            seconds=time.monotonic() - began,
        )

    def _await_engines(self) -> Ready:
        while self._engines is None:
            self._listen(IDLE_S)
            if (code := self._watchdog.tend()) is not None:
                self._listen(0)
                raise EngineError(f"the watchdog of the engines failed: {ended_how(code)}")
        return self._engines

    def _listen(self, timeout_s: float) -> None:
        """Sleep at most `timeout_s` and hear the watchdog. Raises `StopAsked` and `EngineError`."""
        if self._bell.wait(timeout_s, *self._watch.readers):
            for report in self._watch.reports():
                match report:
                    case Step(text):
                        self._console.step(text)
                    case Warned(text):
                        self._console.warn(text)
                    case Failed(detail):
                        raise EngineError(detail)
                    case Ready():
                        self._engines = report
        if self._bell.is_stopping:
            raise StopAsked

    def _prepare(self) -> Prepared:
        log = self._data.log("prepare")
        with tempfile.TemporaryFile() as output, log.open("wb") as errors:
            process = launch(
                self._plan.prepare,
                death_signal=signal.SIGKILL,
                env=self._environment,
                cwd=Path.cwd(),
                stdout=output.fileno(),
                stderr=errors.fileno(),
            )
            self._await_end(process)
            if process.returncode:
                raise EngineError(_last_line(log) or f"preparing failed, see {log}")
            return _prepared(output)

    def _await_end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            while process.poll() is None:
                self._listen(IDLE_S)
        finally:
            stop(process, (signal.SIGTERM, 5.0))

    def _await_gateway(self) -> None:
        until = time.monotonic() + READY_S
        while not port.is_ready(self._plan.host, self._plan.port, READY_PATH):
            for child in (self._gateway, self._worker):
                if (code := child.tend()) is not None:
                    raise EngineError(f"{child.name} did not start: {ended_how(code)}")
            if time.monotonic() > until:
                raise EngineError(f"the gateway was not ready in {READY_S:.0f} s")
            self._listen(TICK_S)

    def keep(self) -> None:
        """Start again what ends by itself, until `StopAsked` or `EngineError` is raised."""
        while True:
            self._listen(IDLE_S)
            for child in (self._gateway, self._worker):
                self._tell(child.name, child.tend())
            self._tell("the watchdog of the engines", self._watchdog.tend())

    def _tell(self, name: str, code: int | None) -> None:
        if code is not None:
            self._console.warn(f"{name} stopped: {ended_how(code)}; starting it again")

    def stop(self) -> None:
        """End everything in order; the engines last, by closing the watchdog's pipe."""
        self._console.stopping("Stopping")
        self._gateway.stop(self._bell)
        self._worker.stop(self._bell)
        self._watch.close()


def _wanted(plan: Plan, data: DataDir) -> Wanted:
    return Wanted(
        server_url=port.url(plan.host, plan.port),
        data_dir=str(data.path),
        postgres=plan.postgres,
        valkey=plan.valkey,
        model=plan.model,
        model_file=str(plan.model_file.absolute()) if plan.model_file else None,
    )


def _prepared(output: IO[bytes]) -> Prepared:
    """Read what preparing has printed: its last line."""
    output.seek(0)
    lines = output.read().strip().splitlines() or [b""]
    try:
        return msgspec.json.decode(lines[-1], type=Prepared)
    except msgspec.DecodeError as error:
        raise EngineError(f"preparing answered {lines[-1][:80]!r}, which makes no sense") from error


def _last_line(log: Path) -> str | None:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("polyagent: ") if lines else None
