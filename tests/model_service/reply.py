"""An answer on the wire, whole or in chunks."""

import asyncio
import json
import socket
import struct
from collections.abc import Coroutine
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


class Reply:
    """Writes one HTTP response. Where the request did not ask for a stream, deltas become one JSON body."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, streamed: bool
    ) -> None:
        self.keeps_alive = True
        self._reader = reader
        self._writer = writer
        self._streamed = streamed
        self._begun = False
        self._message: dict[str, Any] = {"role": "assistant", "content": ""}

    async def json(self, status: int, body: Any, **headers: str) -> None:
        await self.body(status, "application/json", json.dumps(body).encode(), **headers)

    async def body(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self._head(status, {"content-type": kind, "content-length": str(len(body)), **headers})
        self._writer.write(body)
        await self._writer.drain()

    async def raw(self, data: bytes, **headers: str) -> None:
        """Write a piece of a streamed body as it stands."""
        if not self._begun:
            kind = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
            self._head(200, {**kind, **headers})
            self._begun = True
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    async def end(self) -> None:
        """End the body cleanly."""
        if self._begun:
            self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()

    async def chunk(self, **fields: Any) -> None:
        told = {"id": "c1", "object": "chat.completion.chunk", "model": "scripted", **fields}
        await self.raw(b"data: " + json.dumps(told).encode() + b"\n\n")

    async def delta(self, **delta: Any) -> None:
        if self._streamed:
            await self.chunk(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
            return
        for field, value in delta.items():
            self._message[field] = (self._message.get(field) or type(value)()) + value

    async def finish(self, reason: str = "stop", *, usage: bool = True, done: bool = True) -> None:
        spent = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12} if usage else None
        if not self._streamed:
            choice = {"index": 0, "message": self._message, "finish_reason": reason}
            await self.json(200, {"model": "scripted", "choices": [choice], "usage": spent})
            return
        await self.chunk(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
        if spent:
            await self.chunk(choices=[], usage=spent)
        if done:
            await self.raw(b"data: [DONE]\n\n")
        await self.end()

    async def unless_left(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Wait, or raise `ConnectionResetError` when the client leaves."""
        gone = asyncio.ensure_future(self._reader.read(1))
        waiter = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({gone, waiter}, return_when=asyncio.FIRST_COMPLETED)
            if not waiter.done():
                raise ConnectionResetError("the client left")
        finally:
            gone.cancel()
            waiter.cancel()
            await asyncio.gather(gone, waiter, return_exceptions=True)

    def reset(self) -> None:
        """Break the connection off as a crash does, with RST."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self.keeps_alive = False

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Other')}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
