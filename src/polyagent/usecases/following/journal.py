"""The journal as readers read it: a few at once, so that thousands leave the store to others."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.errors import Overloaded
from polyagent.domain.event import Event
from polyagent.domain.run import Run
from polyagent.ports.runs import Runs

AT_ONCE = 6
PATIENCE_S = 20.0


class SharedJournal:
    """Readers wait for each other here; what runs and other requests ask of the store passes them."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._places = asyncio.Semaphore(AT_ONCE)

    async def events(
        self, actor: Actor, run_id: UUID, after: int, *, limit: int
    ) -> tuple[Run, Sequence[Event]]:
        """Raises `Overloaded` when the turn does not come in time, and what `Runs.events` does."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise Overloaded("Too many begin to read at once.") from error
        try:
            return await self._runs.events(actor, run_id, after, limit=limit)
        finally:
            self._places.release()
