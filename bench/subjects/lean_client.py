"""The least that a client of one model service can do: kept connections, no parsing to speak of."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import cast


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.is_closed = False
        self._pieces: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self.is_closed = True
        self._ring()

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._ring()

    def _ring(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def read(self) -> bytes:
        while not self._pieces:
            if self.is_closed:
                raise ConnectionError("the model service closed the connection")
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


class LeanClient:
    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[Connection] = []

    async def post(self, path: str, body: bytes) -> bytes:
        """Return the body of an answer that has a length."""
        connection, head, data = await self._send(path, body)
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(data) < length:
            data += await connection.read()
        self._idle.append(connection)
        return data

    async def stream(self, path: str, body: bytes) -> AsyncGenerator[bytes, None]:
        """Yield the body of a chunked answer as it comes."""
        connection, _, data = await self._send(path, body)
        while True:
            piece, data, ended = _unchunked(data)
            if piece:
                yield piece
            if ended:
                self._idle.append(connection)
                return
            data += await connection.read()

    async def _send(self, path: str, body: bytes) -> tuple[Connection, bytes, bytes]:
        connection = await self._connection()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        connection.transport.write(
            b"%bContent-Length: %d\r\n\r\n" % (head.encode(), len(body)) + body
        )
        data = await connection.read()
        while b"\r\n\r\n" not in data:
            data += await connection.read()
        head_bytes, _, rest = data.partition(b"\r\n\r\n")
        return connection, head_bytes.lower(), rest

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                return connection
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(Connection, self._host, self._port)
        return made


def _unchunked(data: bytes) -> tuple[bytes, bytes, bool]:
    """Return what the whole chunks hold, the rest, and whether the last chunk was among them."""
    pieces: list[bytes] = []
    while (eol := data.find(b"\r\n")) >= 0:
        size = int(data[:eol], 16)
        end = eol + 2 + size
        if len(data) < end + 2:
            break
        if size == 0:
            return b"".join(pieces), b"", True
        pieces.append(data[eol + 2 : end])
        data = data[end + 2 :]
    return b"".join(pieces), data, False
