"""One WebSocket: a reader beside a writer, since a write never fails when the client has left."""

import asyncio
from collections.abc import AsyncGenerator
from enum import IntEnum

import structlog
from litestar.exceptions import WebSocketDisconnect
from litestar.types import Message, Receive, ReceiveMessage, Send

from polyagent.adapters.http.socket.frames import PONG
from polyagent.adapters.http.socket.outbox import Outbox
from polyagent.ports.clock import Clock

MAX_FRAME_BYTES = 1024 * 1024
QUIET_S = 10.0
LEFT: ReceiveMessage = {"type": "websocket.disconnect", "code": 1005}

log = structlog.get_logger("polyagent.http")


class Close(IntEnum):
    """Why the server closes a socket. https://www.rfc-editor.org/rfc/rfc6455#section-7.4"""

    DEFECT = 1011
    RESTART = 1012
    UNAUTHENTICATED = 4401
    NOT_ALLOWED = 4403
    IDLE = 4408
    TOO_LARGE = 4413
    LIMITED = 4429


class Connection:
    def __init__(
        self, receive: Receive, send: Send, clock: Clock, *, write_timeout_s: float
    ) -> None:
        self.outbox = Outbox()
        self.closing: Close | None = None
        self.last_said_s = clock.monotonic()
        self._receive = receive
        self._send = send
        self._clock = clock
        self._hearing: asyncio.Task[ReceiveMessage] | None = None
        self._write_timeout_s = write_timeout_s

    async def open(self, protocol: str | None) -> None:
        """Accept. granian drops any headers that are given here."""
        await self._deliver({"type": "websocket.accept", "subprotocol": protocol, "headers": []})

    async def say(self, frame: bytes) -> None:
        self._touch()
        await self.outbox.put(frame)

    async def keep_alive(self) -> None:
        """Say something, unless somebody has just done so: proxies cut what is silent."""
        if self._clock.monotonic() >= self.last_said_s + QUIET_S:
            await self.say(PONG)

    def close(self, why: Close) -> None:
        """Close once what was said is on its way. The first reason counts."""
        if self.closing is None:
            self.closing = why
            self.outbox.close()

    async def texts(self) -> AsyncGenerator[bytes | None, None]:
        """Yield the client's frames until it leaves or the socket is closed; None is a binary one."""
        while (message := await self._hear())["type"] == "websocket.receive":
            self._touch()
            text, binary = message.get("text"), message.get("bytes")
            frame = text.encode("utf-8", "surrogatepass") if text is not None else binary or b""
            if len(frame) > MAX_FRAME_BYTES:
                self.close(Close.TOO_LARGE)
                return
            yield None if text is None else frame
        self.outbox.close()

    async def _hear(self) -> ReceiveMessage:
        if self.closing is not None:
            return LEFT
        self._hearing = asyncio.create_task(self._receive())  # type: ignore[arg-type]  # a coroutine
        try:
            await asyncio.wait({self._hearing})
        finally:
            self._hearing.cancel()
        return LEFT if self._hearing.cancelled() else self._hearing.result()

    async def _stop_hearing(self) -> None:
        """granian does not close a socket while it waits for a frame."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait({self._hearing})

    async def write(self) -> None:
        """Send what is said until the socket is closed; give up a client that does not read."""
        try:
            async for frame in self.outbox:
                await self._deliver(
                    {"type": "websocket.send", "text": frame.decode(), "bytes": None}
                )
            if self.closing is not None:
                await self._stop_hearing()
                reason = self.closing.name.lower()
                await self._deliver(
                    {"type": "websocket.close", "code": self.closing, "reason": reason}
                )
        except TimeoutError:
            log.info("socket.client_stuck", waiting_bytes=self.outbox.waiting_bytes)
        except WebSocketDisconnect:
            pass
        finally:
            self.outbox.close()

    async def _deliver(self, message: Message) -> None:
        async with asyncio.timeout(self._write_timeout_s):
            await self._send(message)

    def _touch(self) -> None:
        self.last_said_s = self._clock.monotonic()
