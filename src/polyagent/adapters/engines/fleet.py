"""The engines that run, in the order in which they are started and ended."""

import subprocess
from collections.abc import Callable
from signal import SIGILL

from polyagent.adapters.engines.engine import Engine
from polyagent.adapters.engines.process.kept import Kept
from polyagent.adapters.engines.process.launch import ended_how, said_last, stop


class Fleet:
    def __init__(self) -> None:
        self._kept: dict[Engine, Kept] = {}
        self._waiting: list[Engine] = []

    def start(self, engine: Engine) -> None:
        self._kept[engine] = Kept(engine.start)
        self._waiting.append(engine)
        self._kept[engine].start()

    def drop(self, engine: Engine) -> None:
        """Do without it."""
        kept = self._kept.pop(engine)
        self._waiting = [waiting for waiting in self._waiting if waiting is not engine]
        if kept.process is not None:
            stop(kept.process, *engine.orders)

    def waiting(self) -> list[Engine]:
        """Return the engines that have not come up yet."""
        self._waiting = [engine for engine in self._waiting if not self._is_ready(engine)]
        return self._waiting

    def _is_ready(self, engine: Engine) -> bool:
        process = self._kept[engine].process
        return process is not None and engine.is_ready(process)

    def never_came_up(self) -> list[tuple[Engine, str]]:
        """Return those that ended before they were ready, and why."""
        return [
            (engine, f"{engine.name} did not start: {_reason(engine, code)}; see {engine.log}")
            for engine in self._waiting
            if (code := _code(self._kept[engine].process)) is not None
        ]

    def tend(self, warn: Callable[[str], None]) -> list[tuple[Engine, str]]:
        """Start again what ended; return those for which that is no use, and why."""
        hopeless = []
        for engine, kept in self._kept.items():
            code = kept.tend()
            if code == -SIGILL:
                hopeless.append((engine, f"{engine.name} does not run on this processor (SIGILL)"))
            elif code is not None:
                warn(f"{engine.name} stopped: {ended_how(code)}; starting it again")
        return hopeless

    def stop(self) -> None:
        for engine in list(self._kept):
            self.drop(engine)


def _code(process: subprocess.Popen[bytes] | None) -> int | None:
    return process.poll() if process is not None else None


def _reason(engine: Engine, code: int) -> str:
    return said_last(engine.log) or ended_how(code)
