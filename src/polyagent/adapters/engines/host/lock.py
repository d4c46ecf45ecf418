"""Locks that end with the processes that hold them, however these end."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

# A glance at a lock (`is_held`) holds it for microseconds: an owner tries for a little while.
GLANCE_S = 0.5
RETRY_S = 0.02


class Held(Exception):
    """Another process holds the lock; `pid` is the one that noted itself there, if any."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class Lock:
    """`flock` on a file that notes its holder. Children that inherit `fileno()` hold it with us.

    https://man7.org/linux/man-pages/man2/flock.2.html
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.was_abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def fileno(self) -> int:
        return self._fd

    def acquire(self, *, pause: Callable[[], None], wait_s: float = GLANCE_S) -> None:
        """Take the lock; `pause` is called between the tries, and may raise. Raises `Held`.

        `was_abandoned` then says whether the last holder ended without `release`.
        """
        until = time.monotonic() + wait_s
        while not self.take(fcntl.LOCK_EX):
            if time.monotonic() >= until:
                raise Held(self.noted())
            pause()
        self.was_abandoned = self.noted() is not None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._fd, 0)
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def take(self, kind: int) -> bool:
        """Take it as `LOCK_EX` or `LOCK_SH`, if that can be had at once."""
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def noted(self) -> int | None:
        text = os.pread(self._fd, 32, 0)
        return int(text) if text.isdigit() else None


def is_held(path: Path) -> bool:
    if not path.exists():
        return False
    with Lock(path) as lock:
        return not lock.take(fcntl.LOCK_SH)


def holder(path: Path) -> int | None:
    """Return the process that noted itself in the lock; it is alive while the lock is held."""
    with Lock(path) as lock:
        return lock.noted()


def pause() -> None:
    time.sleep(RETRY_S)
