"""Frames on their way to one client: bounded, so that a slow one holds back only what it reads."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

MAX_WAITING_BYTES = 256 * 1024
FRAME_BYTES = 100


class Outbox:
    """Holds at most `MAX_WAITING_BYTES` and the frame that went over them."""

    def __init__(self) -> None:
        self.waiting_bytes = 0
        self._frames: deque[bytes] = deque()
        self._is_closed = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    async def put(self, frame: bytes) -> None:
        """Wait for room. Once the box is closed frames are dropped."""
        while self.waiting_bytes >= MAX_WAITING_BYTES and not self._is_closed:
            self._emptied.clear()
            await self._emptied.wait()
        if not self._is_closed:
            self._frames.append(frame)
            self.waiting_bytes += _size_bytes(frame)
            self._filled.set()

    def close(self) -> None:
        """Take no more; what is in it can still be read."""
        self._is_closed = True
        self._filled.set()
        self._emptied.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._frames or not self._is_closed:
            await self._filled.wait()
            self._filled.clear()
            while self._frames:
                frame = self._frames.popleft()
                self.waiting_bytes -= _size_bytes(frame)
                self._emptied.set()
                yield frame


def _size_bytes(frame: bytes) -> int:
    return FRAME_BYTES + len(frame)
