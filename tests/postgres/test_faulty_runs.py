"""The use cases of runs while any port fails at any call, in three processes over PostgreSQL."""

import pytest

from tests.fleet import Fleet
from tests.grounds import postgres_ground
from tests.stories import troubled

SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
async def test_runs_keep_their_promises_whatever_fails(seed: int, postgres_url: str) -> None:
    async with postgres_ground(postgres_url) as ground:
        await troubled(Fleet(ground, seed=seed), actions=12)
