"""What has to be done now and then, by any process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from polyagent.domain.errors import Unavailable
from polyagent.ports.clock import Clock
from polyagent.ports.upkeep import Upkeep

SWEEP_S = 60.0

log = structlog.get_logger("polyagent.worker")


class Housekeeper:
    def __init__(self, upkeep: Upkeep, clock: Clock) -> None:
        self._upkeep = upkeep
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep once a minute until the block ends."""
        sweeps = asyncio.create_task(self._sweeps())
        try:
            yield
        finally:
            sweeps.cancel()
            await asyncio.gather(sweeps, return_exceptions=True)

    async def _sweeps(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            try:
                while await self._upkeep.sweep():
                    await self._clock.sleep(0)
            except Unavailable as error:
                log.debug("upkeep.sweep_failed", error=str(error))
            except Exception:
                log.exception("upkeep.sweep_died")
