"""Tickets of one process."""

from polyagent.domain.ticket import Grant
from polyagent.ports.clock import Clock


class MemoryTickets:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._grants: dict[str, tuple[float, Grant]] = {}

    async def put(self, digest: str, grant: Grant, *, ttl_s: int) -> None:
        self._forget_old()
        self._grants[digest] = (self._clock.monotonic() + ttl_s, grant)

    async def take(self, digest: str) -> Grant | None:
        self._forget_old()
        _, grant = self._grants.pop(digest, (0.0, None))
        return grant

    def _forget_old(self) -> None:
        now_s = self._clock.monotonic()
        for digest, (until_s, _) in tuple(self._grants.items()):
            if until_s <= now_s:
                del self._grants[digest]
