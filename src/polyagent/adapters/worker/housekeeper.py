"""What has to be done now and then, by any process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from polyagent.domain.errors import Unavailable
from polyagent.ports.clock import Clock
from polyagent.ports.upkeep import Upkeep
from polyagent.usecases.documents.sweep_blobs import SweepBlobs

SWEEP_S = 60.0
SWEEP_BLOBS_S = 3600.0

log = structlog.get_logger("polyagent.worker")


class Housekeeper:
    def __init__(self, upkeep: Upkeep, sweep_blobs: SweepBlobs, clock: Clock) -> None:
        self._upkeep = upkeep
        self._sweep_blobs = sweep_blobs
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweep once a minute, and the storage of documents once an hour, until the block ends."""
        sweeps = [
            asyncio.create_task(self._sweeps(SWEEP_S, self._sweep_rows)),
            asyncio.create_task(self._sweeps(SWEEP_BLOBS_S, self._sweep_blobs)),
        ]
        try:
            yield
        finally:
            for sweep in sweeps:
                sweep.cancel()
            await asyncio.gather(*sweeps, return_exceptions=True)

    async def _sweep_rows(self) -> None:
        while await self._upkeep.sweep():
            await self._clock.sleep(0)

    async def _sweeps(self, every_s: float, sweep: Callable[[], Awaitable[object]]) -> None:
        while True:
            await self._clock.sleep(every_s)
            try:
                await sweep()
            except Unavailable as error:
                log.debug("upkeep.sweep_failed", error=str(error))
            except Exception:
                log.exception("upkeep.sweep_died")
