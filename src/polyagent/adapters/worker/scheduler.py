"""The tick of the schedules: every worker has one, and none is needed in particular."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from polyagent.domain.account import Actor
from polyagent.domain.errors import Unavailable
from polyagent.ports.clock import Clock
from polyagent.usecases.fire_schedules import FireSchedules

TICK_S = 1.0

log = structlog.get_logger("polyagent.schedules")


class Scheduler:
    def __init__(self, fire: FireSchedules, clock: Clock) -> None:
        self._fire = fire
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fire what is due, once a second, until the block ends."""
        ticks = asyncio.create_task(self._ticks())
        try:
            yield
        finally:
            ticks.cancel()
            await asyncio.gather(ticks, return_exceptions=True)

    async def _ticks(self) -> None:
        while True:
            try:
                await self._tick()
            except Unavailable as error:
                log.debug("schedules.tick_failed", error=str(error))
            except Exception:
                log.exception("schedules.tick_died")
            await self._clock.sleep(TICK_S)

    async def _tick(self) -> None:
        fired = await self._fire(Actor.system())
        if fired.tasks:
            log.info("schedules.fired", tasks=fired.tasks)
        for schedule_id in fired.broken:
            log.error("schedule.broken", schedule_id=str(schedule_id))
