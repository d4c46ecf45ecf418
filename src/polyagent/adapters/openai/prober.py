"""Looking at the services on the start, then every few minutes, sooner while one is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from polyagent.adapters.openai.client import OpenAIModels

AGAIN_S = 5.0  # while a service is away


@asynccontextmanager
async def probing(
    models: OpenAIModels, every_s: float, again_s: float = AGAIN_S
) -> AsyncIterator[None]:
    """Probe beside what happens in the block, which waits for nothing."""
    task = asyncio.create_task(_probe(models, every_s, min(every_s, again_s)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _probe(models: OpenAIModels, every_s: float, again_s: float) -> None:
    due_at = _now()
    while True:
        if models.is_one_away or _now() >= due_at:
            all_answer = await models.probe()
            due_at = _now() + (every_s if all_answer else again_s)
        await asyncio.sleep(again_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
