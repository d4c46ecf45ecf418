"""What a process has in use, for its operators."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dishka import AsyncContainer

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


async def _sampling(sample: Callable[[], None]) -> None:
    while True:
        sample()
        await asyncio.sleep(SAMPLE_S)
