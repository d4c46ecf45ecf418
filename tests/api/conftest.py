from collections.abc import AsyncIterator

import pytest

from tests.api.house import House, in_one_task, lived_in


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with in_one_task(lived_in()) as house:
        yield house
