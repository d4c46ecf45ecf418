"""The gateway or the worker: a child that is kept alive and drains when it is told to end."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from polyagent.adapters.engines.process.bell import Bell
from polyagent.adapters.engines.process.kept import Kept
from polyagent.adapters.engines.process.launch import launch
from polyagent.adapters.engines.watch import Watch

OOM_SCORE = 100
DRAIN_S = 30.0
TICK_S = 0.1


class Child:
    def __init__(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], watch: Watch
    ) -> None:
        self.name = name
        self._argv = argv
        self._environment = environment
        self._watch = watch
        self._kept = Kept(self._launch)

    def start(self) -> None:
        self._kept.start()

    def _launch(self) -> subprocess.Popen[bytes]:
        process = launch(
            self._argv,
            death_signal=signal.SIGKILL,
            env=self._environment,
            oom_score=OOM_SCORE,
            cwd=Path.cwd(),
        )
        self._watch.guard(process.pid)
        return process

    def tend(self) -> int | None:
        """Start it again if that is due; return its exit code when it is found dead, once."""
        before = self._kept.process
        code = self._kept.tend()
        if code is not None and before is not None:
            self._bury(before)
        return code

    def stop(self, bell: Bell) -> None:
        """Ask it to end; force it when its time is over or a second signal says now."""
        process = self._kept.process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        until = time.monotonic() + DRAIN_S
        while process.poll() is None and not bell.is_urgent and time.monotonic() < until:
            bell.wait(TICK_S)
        self._bury(process)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        """End what is left of its group, such as the workers of a gateway that was killed."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._watch.forget(process.pid)
