"""What a process has in use, for its operators."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dishka import AsyncContainer

from polyagent.app.ground import UNDER_UP
from polyagent.settings import Settings

SAMPLE_S = 5.0


@asynccontextmanager
async def watched(use_cases: AsyncContainer) -> AsyncIterator[None]:
    """Tell the meter until the block ends what runs and connections there are, over the real engines."""
    from polyagent.adapters.postgres.pool import Pool
    from polyagent.adapters.telemetry.metrics import PrometheusMeter
    from polyagent.adapters.worker.executor import LocalExecutor

    meter = await use_cases.get(PrometheusMeter)
    pool, executor = await use_cases.get(Pool), await use_cases.get(LocalExecutor)
    meter.watch("connections", lambda: pool.get_size() - pool.get_idle_size(), pool.get_max_size())
    meter.watch("runs", lambda: executor.executing, executor.places)
    sampling = asyncio.create_task(_sampling(meter.sample))
    try:
        yield
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


@asynccontextmanager
async def told(use_cases: AsyncContainer, settings: Settings) -> AsyncIterator[None]:
    """Tell a worker's metrics until the block ends, where the settings say; those of `up` are told by its gateway."""
    from polyagent.adapters.telemetry.metrics import PrometheusMeter
    from polyagent.adapters.telemetry.page import Page, serving

    address = settings.telemetry.worker_metrics
    if address is None or UNDER_UP in os.environ:
        yield
        return
    meter = await use_cases.get(PrometheusMeter)
    async with serving(address, Page(meter.render, settings.server.metrics_token)):
        yield


async def _sampling(sample: Callable[[], None]) -> None:
    while True:
        sample()
        await asyncio.sleep(SAMPLE_S)
