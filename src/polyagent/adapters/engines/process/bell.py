"""What wakes a main thread that supervises: signals, the end of children, descriptors."""

import os
import select
import signal
import time
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Self

# `uv run` hands a group's SIGTERM on a second time at once, and Ctrl-C again after 0.2 s.
SECOND_CALL_S = 2.0


class Bell:
    """Notes the signals in `stops` instead of dying of them. One at a time, in the main thread."""

    def __init__(self, stops: Iterable[signal.Signals]) -> None:
        self.is_stopping = False
        self.is_urgent = False
        self._first = 0.0
        self._stops = tuple(stops)
        self._wakes, self._rings = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._rings, False)

    def __enter__(self) -> Self:
        self._before_fd = signal.set_wakeup_fd(self._rings, warn_on_full_buffer=False)
        self._before = {
            number: signal.signal(number, self._noted) for number in (*self._stops, signal.SIGCHLD)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._before_fd)
        os.close(self._wakes)
        os.close(self._rings)

    def _noted(self, number: int, _: FrameType | None) -> None:
        if number not in self._stops:
            return
        now = time.monotonic()
        if not self.is_stopping:
            self.is_stopping, self._first = True, now
        elif now - self._first >= SECOND_CALL_S:
            self.is_urgent = True

    def wait(self, timeout_s: float, *readers: int) -> list[int]:
        """Sleep until a signal, the end of a child or something to read; return the readable descriptors."""
        readable, _, _ = select.select([self._wakes, *readers], [], [], timeout_s)
        if self._wakes in readable:
            os.read(self._wakes, 4096)
        return [fd for fd in readable if fd != self._wakes]
