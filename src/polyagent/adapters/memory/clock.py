"""A clock that stands still until it is told to move."""

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic_s

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved by `seconds`; at once for 0."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = (self._monotonic_s + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    def move(self, seconds: float) -> None:
        """Let time pass and wake whoever slept until then."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds
        for until_s, woken in self._sleepers:
            if until_s <= self._monotonic_s and not woken.done():
                woken.set_result(None)

    def set(self, instant: datetime) -> None:
        """Set the wall clock, as an administrator or NTP does: no time passes."""
        self._now = instant
