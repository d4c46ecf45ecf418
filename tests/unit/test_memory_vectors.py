"""Spaces of vectors in memory, while time passes."""

from polyagent.adapters.memory.documents.vectors import MemoryVectors
from polyagent.adapters.memory.state import State
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.documents.embedding import UNSEEN_S
from tests.searching import Meaning


class HandClock(SystemClock):
    """Stands still but for what a test adds."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


async def test_a_space_is_to_be_opened_again_once_nobody_wants_the_other() -> None:
    clock = HandClock()
    vectors = MemoryVectors(State(), clock)
    new, old = Meaning("new"), Meaning("old")
    mine = await vectors.open(new.recipe, new.width)
    others = await vectors.open(old.recipe, old.width)

    clock.at += UNSEEN_S - 1
    assert await vectors.settle(mine)
    assert await vectors.settle(others)
    clock.at += UNSEEN_S - 1
    assert await vectors.settle(mine)
    clock.at += 1
    assert not await vectors.settle(mine)
