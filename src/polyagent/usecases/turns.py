"""A few at once: the others wait for their turn, and for no longer than that makes sense."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from polyagent.domain.errors import Overloaded

PATIENCE_S = 10.0


class Turns:
    """`refusal` is what somebody is told whose turn does not come."""

    def __init__(self, at_once: int, refusal: str) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._refusal = refusal

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for a turn, which lasts for the block. Raises `Overloaded`."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise Overloaded(self._refusal) from error
        try:
            yield
        finally:
            self._places.release()
