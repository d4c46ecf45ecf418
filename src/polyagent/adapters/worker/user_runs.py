"""How many runs of one user execute at once."""

from uuid import UUID

from polyagent.ports.limits import Places

KIND = "runs"
ALL = 2**31


class UserRuns:
    """A user is known by the bytes under which it takes turns in the queue."""

    def __init__(self, places: Places, *, most: int) -> None:
        self._places = places
        self._most = most
        self._entered: dict[UUID, str] = {}

    async def enter(self, run_id: UUID, who: bytes, *, forced: bool) -> bool:
        """Count a run, once; `forced`: even over the most, since it was begun elsewhere."""
        if run_id in self._entered:
            return True
        whose = self._entered[run_id] = who.hex()
        most = ALL if forced else self._most
        if await self._places.enter(KIND, whose, most, exact=False):
            return True
        del self._entered[run_id]
        return False

    def leave(self, run_id: UUID) -> None:
        if (whose := self._entered.pop(run_id, None)) is not None:
            self._places.leave(KIND, whose)
