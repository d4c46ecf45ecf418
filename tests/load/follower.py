"""Readers of a run's events, made for thousands: what came is kept as it came, and looked into afterwards."""

import asyncio
import re
import socket
import struct
from collections.abc import Iterator
from typing import cast

import msgspec
from bench.load.client import MARKS
from bench.load.generator import request

RESET = struct.pack("ii", 1, 0)  # SO_LINGER, off at once: close() sends RST
SMALL_BYTES = 4096
SIP_BYTES = 1024
SIP_PAUSE_S = 1.0
COME_BACK_S = 1.0  # what Retry-After says where it is least
NOT_DURABLE = (b".delta", b"tool.progress")
_FRAME = re.compile(rb"id: (\d+)\nevent: ([a-z.]+)\ndata: (.*)\n\n")
_EVENT = re.compile(rb"\nid: (\d+)\nevent: ")


class Told(msgspec.Struct):
    """What one reader heard, on one connection or more."""

    status: int = 0
    ids: list[int] = []
    durable: list[int] = []
    last: str = ""
    text: bytes = b""
    refused: int = 0

    def add(self, received: bytes) -> bool:
        """Note what came, and say whether that was a stream: else it is to be asked for again."""
        head, _, body = received.partition(b"\r\n\r\n")
        self.status = int(head[9:12] or 0)
        if self.status in (429, 503) and b"retry-after:" in head.lower():
            self.refused += 1
            return False
        if self.status != 200:
            return True
        for number, kind, data in _FRAME.findall(b"".join(_unchunked(body))):
            self.ids.append(int(number))
            self.last = kind.decode()
            if not kind.endswith(NOT_DURABLE):
                self.durable.append(int(number))
            elif kind == b"message.delta":
                self.text += b"".join(msgspec.json.decode(data)["text"].encode().split())
        return True

    def is_whole(self, journal: list[int], tokens: int) -> bool:
        """Whether it is the story that the journal tells, each event once, with every token."""
        return (
            self.durable == journal
            and self.ids == sorted(set(self.ids))
            and self.last == "run.completed"
            and self.text == b"".join(MARKS[:tokens])
        )


class Connection(asyncio.Protocol):
    """Asks, and keeps what comes until the other side closes; leaves, by RST, after `most` events."""

    def __init__(self, asked: bytes, most: int | None = None) -> None:
        self.received = bytearray()
        self.closed = asyncio.get_running_loop().create_future()
        self._asked = asked
        self._most = most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self._most is not None and len(_EVENT.findall(self.received)) >= self._most:
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, RESET
            )
            self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class Follower:
    """One reader of one run."""

    def __init__(self, ports: Iterator[int], authorization: str, run_id: str) -> None:
        self.told = Told()
        self.run_id = run_id
        self._ports = ports
        self._authorization = authorization

    async def steadily(self) -> None:
        await self._read(None)

    async def vanishing(self) -> None:
        await self._read(9)

    async def returning(self) -> None:
        """Leave in the middle, and go on where it was, at another gateway if there is one."""
        await self._read(15)
        await self._read(None)

    async def slowly(self) -> None:
        """A kilobyte a second, with next to no room for more."""
        while not self.told.add(await self._sipped()):
            await asyncio.sleep(COME_BACK_S)

    async def _sipped(self) -> bytes:
        loop = asyncio.get_running_loop()
        received = b""
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
            one.setblocking(False)
            await loop.sock_connect(one, ("127.0.0.1", next(self._ports)))
            await loop.sock_sendall(one, self._request())
            while sip := await loop.sock_recv(one, SIP_BYTES):
                received += sip
                await asyncio.sleep(SIP_PAUSE_S)
        return received

    async def _read(self, most: int | None) -> None:
        while not self.told.add(await self._received(most)):
            await asyncio.sleep(COME_BACK_S)

    async def _received(self, most: int | None) -> bytes:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._request(), most), "127.0.0.1", next(self._ports)
        )
        await connection.closed
        return bytes(connection.received)

    def _request(self) -> bytes:
        headers = {"Authorization": self._authorization, "Connection": "close"}
        if self.told.ids:
            headers["Last-Event-ID"] = str(self.told.ids[-1])
        return request("GET", f"/api/v1/runs/{self.run_id}/events", b"", **headers).encode()


def _unchunked(body: bytes) -> Iterator[bytes]:
    """Yield the chunks; one that was cut off as far as it came."""
    while body:
        size, _, body = body.partition(b"\r\n")
        if not (length := int(size or b"0", 16)):
            return
        yield body[:length]
        body = body[length + 2 :]
