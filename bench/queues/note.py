"""What every queue is given to do, and the witness of what was done.

A witness is a file of records, each written at once. Instants are of the monotonic clock, which all
processes of a machine share.
"""

import asyncio
import os
import struct
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import msgspec

PATH = "BENCH_WITNESS"
RECORD = struct.Struct("<qqB")
BEGUN, ENDED = 0, 1
POLL_S = 0.005


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """`who` is a number of a user. To do it takes `wait_ms`."""

    n: int
    who: int = 0
    priority: int = 0
    wait_ms: int = 0


class Pen:
    """Does notes in a worker, and witnesses it."""

    def __init__(self) -> None:
        self._file = os.open(os.environ[PATH], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def do(self, n: int, wait_ms: int) -> None:
        begun = RECORD.pack(n, time.monotonic_ns(), BEGUN)
        if wait_ms:
            os.write(self._file, begun)
            await asyncio.sleep(wait_ms / 1000)
            begun = b""
        os.write(self._file, begun + RECORD.pack(n, time.monotonic_ns(), ENDED))


class Witness:
    """Reads what is witnessed: when each note was begun and ended, in seconds, each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun: defaultdict[int, list[float]] = defaultdict(list)
        self.ended: defaultdict[int, list[float]] = defaultdict(list)
        path.touch()
        self._file = path.open("rb")

    def read(self) -> None:
        data = self._file.read()
        for n, at_ns, mark in RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size]):
            (self.ended if mark else self.begun)[n].append(at_ns / 1e9)
        self._file.seek(-(len(data) % RECORD.size), os.SEEK_CUR)

    async def until(self, is_so: Callable[[], bool], limit_s: float) -> bool:
        """Read until it is so; return whether it came to that in time."""
        until = time.monotonic() + limit_s
        while not is_so():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(POLL_S)
            self.read()
        return True

    def forget(self) -> None:
        self.read()
        self.begun.clear()
        self.ended.clear()
