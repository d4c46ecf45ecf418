"""The server's side of its children: the process that forks them, and one of them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from polyagent.children import bare_environment

LINE_BYTES = 16 * 1024 * 1024
START_S = 60.0
LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""A child's memory is all new; in large pages a PDF is read in three quarters of the time.

https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
"""
MODULE = "polyagent.adapters.extraction.nursery"


class Child(msgspec.Struct, frozen=True):
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    nursery: subprocess.Popen[bytes]

    @property
    def is_orphan(self) -> bool:
        """Say whether what forked it has ended, and it with that."""
        return self.nursery.poll() is not None


class Nursery:
    """Begins with the first child, and again if somebody ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @asynccontextmanager
    async def child(self) -> AsyncIterator[Child]:
        """Have a child until the block ends; then nothing is left of it."""
        stream, nursery = self._asked()
        reader, writer = await asyncio.open_connection(sock=stream, limit=LINE_BYTES)
        try:
            async with asyncio.timeout(START_S):
                pid = _pid(await reader.readline())
            # it waits for our request: whoever has this number is it
            handle = _handle(pid)
            try:
                yield Child(pid, reader, writer, nursery)
            finally:
                _kill(pid, handle)
                await _ended(reader)
        finally:
            writer.close()

    def _asked(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Ask for a child; return our end of its stream, and what it is forked by."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return ours, self._send(theirs)
            except OSError:
                self.close()
                return ours, self._send(theirs)

    def _send(self, stream: socket.socket) -> subprocess.Popen[bytes]:
        if self._process is None or self._control is None:
            self._process, self._control = self._start()
        socket.send_fds(self._control, [b"+"], [stream.fileno()])
        return self._process

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # words of our own
                (sys.executable, "-P", "-m", MODULE),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=LARGE_PAGES | bare_environment(),
            )
        return process, ours

    def close(self) -> None:
        """End it, and all that it forked."""
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.kill()
            self._process.wait()
        self._control = self._process = None


def _pid(line: bytes) -> int:
    if not line:
        raise ConnectionResetError("What forks the readers of documents has ended.")
    return int(line)


async def _ended(reader: asyncio.StreamReader) -> None:
    """Wait until nobody has the other end any more."""
    with suppress(ConnectionError):
        while await reader.read(LINE_BYTES):
            continue


def _handle(pid: int) -> int | None:
    """Return what names this process also when it has ended, where there is such a thing."""
    return os.pidfd_open(pid) if sys.platform == "linux" else None


def _kill(pid: int, handle: int | None) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "linux" and handle is not None:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    if handle is not None:
        os.close(handle)
