"""Failed logins of one process."""

from polyagent.domain.throttle import FailureCounts, Failures
from polyagent.ports.clock import Clock


class MemoryLoginFailures:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts = FailureCounts()
        self._trusted: set[str] = set()

    async def of(self, who: str) -> Failures:
        return self._counts.of(who, self._clock.monotonic())

    async def add(self, who: str) -> None:
        self._counts.add(who, self._clock.monotonic())

    async def clear(self, who: str) -> None:
        self._counts.clear(who)

    async def trust(self, whence: str) -> None:
        self._trusted.add(whence)

    async def trusts(self, whence: str) -> bool:
        return whence in self._trusted
