import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.api.house import House, lived_in


@pytest.fixture
async def house() -> AsyncIterator[House]:
    opened: asyncio.Queue[House] = asyncio.Queue()
    closing = asyncio.Event()

    async def live() -> None:
        async with lived_in() as house:
            await opened.put(house)
            await closing.wait()

    # one task from beginning to end: the framework's lifespan holds cancel scopes
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield await opened.get()
        closing.set()
