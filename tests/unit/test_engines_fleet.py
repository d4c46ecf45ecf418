import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from polyagent.adapters.engines.fleet import Fleet

LIVES = "print('up', flush=True); import signal; signal.pause()"


class Script:
    """An engine that is a line of Python, ready when it has said something."""

    orders = ((SIGTERM, 60.0),)

    def __init__(self, log: Path, code: str) -> None:
        self.name = "Script"
        self.log = log
        self.processes: list[subprocess.Popen[bytes]] = []
        self._code = code

    def prepare(self) -> None: ...

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-I", "-S", "-c", self._code]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        return process.poll() is None and self.log.stat().st_size > 0

    def version(self) -> str:
        return "1"


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    fleet = Fleet()
    yield fleet
    fleet.stop()


def test_an_engine_is_waited_for_until_it_answers(fleet: Fleet, tmp_path: Path) -> None:
    engine = Script(tmp_path / "log", LIVES)

    fleet.start(engine)
    while fleet.waiting():
        assert fleet.never_came_up() == []

    assert engine.processes[0].poll() is None


def test_an_engine_that_never_came_up_says_why_in_its_log(fleet: Fleet, tmp_path: Path) -> None:
    engine = Script(tmp_path / "log", "raise SystemExit('FATAL:  the disk is full')")
    fleet.start(engine)
    fleet.waiting()

    engine.processes[0].wait()

    reason = f"Script did not start: the disk is full; see {engine.log}"
    assert fleet.never_came_up() == [(engine, reason)]


def test_an_engine_that_is_killed_is_started_again(fleet: Fleet, tmp_path: Path) -> None:
    engine = Script(tmp_path / "log", LIVES)
    warnings: list[str] = []
    fleet.start(engine)

    engine.processes[0].send_signal(SIGKILL)
    engine.processes[0].wait()
    while len(engine.processes) == 1:
        assert fleet.tend(warnings.append) == []

    assert warnings == ["Script stopped: it ended by SIGKILL; starting it again"]


def test_an_illegal_instruction_is_met_once(fleet: Fleet, tmp_path: Path) -> None:
    engine = Script(tmp_path / "log", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    fleet.start(engine)

    engine.processes[0].wait()
    hopeless = fleet.tend(pytest.fail)
    fleet.drop(engine)

    assert hopeless == [(engine, "Script does not run on this processor (SIGILL)")]
    assert fleet.tend(pytest.fail) == []


def test_a_stop_ends_every_engine(tmp_path: Path) -> None:
    fleet = Fleet()
    engines = [Script(tmp_path / name, LIVES) for name in ("one", "two")]
    for engine in engines:
        fleet.start(engine)

    fleet.stop()

    assert [engine.processes[0].poll() is not None for engine in engines] == [True, True]
