"""The use cases of runs while any port fails at any call, in three processes over memory."""

import pytest

from tests.fleet import Fleet
from tests.grounds import MemoryGround
from tests.stories import troubled
from tests.virtual import run_virtually

SEEDS = range(150)


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_keep_their_promises_whatever_fails(seed: int) -> None:
    async def story() -> None:
        await troubled(Fleet(MemoryGround(), seed=seed))

    run_virtually(story())
