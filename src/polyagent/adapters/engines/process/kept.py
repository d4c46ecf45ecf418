"""A process that is started again when it ends by itself."""

import subprocess
import time
from collections.abc import Callable

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# One that lived this long owes nothing to its earlier deaths.
STEADY_S = 60.0


class Kept:
    """Between death and restart comes a pause, which doubles while the lives stay short."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._start = start
        self._pause_s = 0.0
        self._began = 0.0
        self._due: float | None = None

    def start(self) -> None:
        self._began = time.monotonic()
        self._due = None
        self.process = self._start()

    def tend(self) -> int | None:
        """Start it again if that is due; return its exit code when it is found dead, once."""
        now = time.monotonic()
        if self._due is not None:
            if now >= self._due:
                self.start()
            return None
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self._pause_s = self._next_pause(lived_s=now - self._began)
        self._due = now + self._pause_s
        return code

    def _next_pause(self, *, lived_s: float) -> float:
        if lived_s >= STEADY_S:
            return FIRST_PAUSE_S
        return min(max(self._pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
