import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.api.matrix.document import Document
from tests.api.matrix.town import Town, town


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Town]:
    opened: asyncio.Queue[Town] = asyncio.Queue()
    closing = asyncio.Event()

    async def live() -> None:
        async with town() as found:
            await opened.put(found)
            await closing.wait()

    # one task from beginning to end: the framework's lifespan holds cancel scopes
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield await opened.get()
        closing.set()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def document(place: Town) -> Document:
    return await Document.of(place.house)
