"""The journal as readers read it: a few at once, so that thousands leave the store to others."""

from collections.abc import Sequence
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.event import Event
from polyagent.domain.run import Run
from polyagent.ports.runs import Runs
from polyagent.usecases.turns import Turns

AT_ONCE = 6


class SharedJournal:
    """Readers wait for each other here; what runs and other requests ask of the store passes them."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._turns = Turns(AT_ONCE, "Too many begin to read at once.")

    async def events(
        self, actor: Actor, run_id: UUID, after: int, *, limit: int
    ) -> tuple[Run, Sequence[Event]]:
        """Raises `Overloaded` when the turn does not come in time, and what `Runs.events` does."""
        async with self._turns.taken():
            return await self._runs.events(actor, run_id, after, limit=limit)
