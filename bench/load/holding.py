"""Opens the streams of a `Holding` on stdin, says how many are open, and keeps them till stdin ends.

`python -m bench.load.holding`
"""

import asyncio
import base64
import os
import resource
import sys
from typing import cast

import msgspec
import uvloop

from bench.load.job import Holding

AT_ONCE = 50
OPENING_S = 60


class Held(asyncio.Protocol):
    """Open once its request was answered, and over a WebSocket once something came in return."""

    def __init__(self, request: bytes, frames: tuple[bytes, ...]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._frames = frames
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            return
        self._head += data
        status, _, _ = self._head.partition(b"\r\n")
        _, headed, body = self._head.partition(b"\r\n\r\n")
        if b" 101 " in status and headed and self._frames:
            for frame in self._frames:
                self._transport.write(masked(frame))
            self._frames = ()
        elif b" 200 " not in status and b" 101 " not in status:
            self.opened.set_exception(ConnectionError(self._head[:200].decode(errors="replace")))
        elif headed and body:
            self.opened.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"closed after {self._head[:200]!r}"))


def masked(text: bytes) -> bytes:
    """Return a text frame under the mask 0, which changes nothing: RFC 6455, section 5.2."""
    size = bytes((0x80 | len(text),)) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2)
    return b"\x81" + size + b"\0\0\0\0" + text


def upgrade(request: str) -> bytes:
    """Return an HTTP request as one for a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    headers = f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
    return request.replace("\r\n\r\n", f"\r\nConnection: Upgrade\r\n{headers}\r\n\r\n").encode()


class Opening:
    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._places = asyncio.Semaphore(AT_ONCE)
        self._held: list[Held] = []

    async def all(self) -> None:
        async with asyncio.timeout(OPENING_S), asyncio.TaskGroup() as group:
            for number in range(self._holding.count):
                group.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        asked = self._holding.requests[number % len(self._holding.requests)]
        request = upgrade(asked) if self._holding.transport == "ws" else asked.encode()
        frames = self._holding.frames
        sent = (frames[number % len(frames)].encode(),) if frames else ()
        async with self._places:
            _, held = await asyncio.get_running_loop().create_connection(
                lambda: Held(request, sent), "127.0.0.1", self._holding.port
            )
            self._held.append(held)
            await held.opened


async def hold(holding: Holding) -> None:
    opening = Opening(holding)
    await opening.all()
    sys.stdout.write(f"{holding.count}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(hold(msgspec.json.decode(sys.stdin.readline(), type=Holding)))
