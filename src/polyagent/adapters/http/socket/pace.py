"""How fast one socket is obeyed."""

from polyagent.ports.clock import Clock

FRAMES_A_SECOND = 20
BURST_S = 1.0
PRECISION_S = 1e-6


class Pace:
    """Holds back a client that says more than this, after a second's worth at once: nothing is refused."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s = float("-inf")

    async def keep(self) -> None:
        """Wait until the next frame may be obeyed."""
        now_s = self._clock.monotonic()
        self._due_s = max(self._due_s, now_s - BURST_S) + 1 / FRAMES_A_SECOND
        if (early_s := self._due_s - now_s) > PRECISION_S:
            await self._clock.sleep(early_s)
