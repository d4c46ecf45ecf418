from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the instant in UTC. It may jump: order nothing by it."""

    def monotonic(self) -> float:
        """Return seconds that only grow, also while the machine sleeps where the system tells."""

    async def sleep(self, seconds: float) -> None: ...
