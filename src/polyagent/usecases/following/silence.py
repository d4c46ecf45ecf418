"""Silence is not trusted: a process that was killed between commit and publish leaves no gap to see."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from polyagent.domain.errors import Unavailable
from polyagent.ports.clock import Clock
from polyagent.ports.runs import Runs
from polyagent.usecases.following.reading import Reading

TICK_S = 1.0
PING_TICKS = 15


class Silence:
    """Asks once a second, in one statement, how far the runs are whose readers have heard nothing."""

    def __init__(self, runs: Runs, clock: Clock) -> None:
        self._runs = runs
        self._clock = clock
        self._readings: set[Reading] = set()
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    @contextmanager
    def broken_for(self, reading: Reading) -> Iterator[None]:
        """Have the reading doubt its feed when the journal is further, and say so after 15 s of nothing."""
        self._readings.add(reading)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._readings.discard(reading)
            if not self._readings and self._task is not None:
                self._task.cancel()
                self._task = None  # it is done only later

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            quiet = [reading for reading in self._readings if self._is_quiet(reading)]
            if self._asking is None or self._asking.done():  # a store that hangs holds up no ping
                self._asking = asyncio.create_task(
                    self._compare([reading for reading in quiet if not reading.is_live])
                )

    def _is_quiet(self, reading: Reading) -> bool:
        reading.quiet_ticks += 1
        if reading.quiet_ticks % PING_TICKS == 0:
            reading.say_silent()
        return reading.quiet_ticks > 1

    async def _compare(self, quiet: list[Reading]) -> None:
        if not quiet:
            return
        try:
            tails = await self._runs.tails({reading.run_id for reading in quiet})
        except Unavailable:  # the next second asks again
            return
        for reading in quiet:
            tail = tails.get(reading.run_id)
            if tail is None or tail.is_final or tail.last_seq > reading.at:
                reading.doubt()
