"""How many runs of one user execute at once."""

from uuid import UUID

from polyagent.ports.limits import Places

KIND = "runs"


class UserRuns:
    """A user is known by the bytes under which it takes turns in the queue."""

    def __init__(self, places: Places, *, most: int) -> None:
        self._places = places
        self._most = most
        self._entered: dict[UUID, str] = {}

    async def enter(self, run_id: UUID, who: bytes) -> bool:
        """Say whether there is room for a run; it counts then, once."""
        if run_id in self._entered:
            return True
        whose = self._entered[run_id] = who.hex()
        if await self._places.enter(KIND, whose, self._most, exact=False):
            return True
        del self._entered[run_id]
        return False

    def hold(self, run_id: UUID, who: bytes) -> None:
        """Count a run, once, that was given to this process already."""
        if run_id not in self._entered:
            self._entered[run_id] = who.hex()
            self._places.hold(KIND, who.hex())

    def leave(self, run_id: UUID) -> None:
        if (whose := self._entered.pop(run_id, None)) is not None:
            self._places.leave(KIND, whose)
