"""Looking at the services on the start, then every few minutes, sooner while one is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from polyagent.adapters.openai.client import OpenAIModels

AGAIN_S = 5.0  # while a service is away


@asynccontextmanager
async def probing(models: OpenAIModels, every_s: float) -> AsyncIterator[None]:
    """Probe beside what happens in the block, which waits for nothing."""
    task = asyncio.create_task(_probe(models, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _probe(models: OpenAIModels, every_s: float) -> None:
    while True:
        all_answer = await models.probe()
        await asyncio.sleep(every_s if all_answer else min(every_s, AGAIN_S))
