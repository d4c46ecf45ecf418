import asyncio

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.worker.housekeeper import SWEEP_S, Housekeeper
from polyagent.domain.errors import StoreUnavailable


class Dust:
    """An upkeep that answers, or raises, what it is given, and then that nothing is left."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.sweeps = 0
        self.clean = asyncio.Event()
        self._answers = list(answers)

    async def sweep(self) -> bool:
        self.sweeps += 1
        answer = self._answers.pop(0) if self._answers else False
        if isinstance(answer, Exception):
            raise answer
        if not answer and not self._answers:
            self.clean.set()
        return answer


async def _swept(dust: Dust) -> None:
    clock = ManualClock()
    async with Housekeeper(dust, clock).running(), asyncio.timeout(30):
        while not dust.clean.is_set():
            await asyncio.sleep(0)
            clock.move(SWEEP_S)


async def test_it_sweeps_until_nothing_is_left() -> None:
    dust = Dust(True, True, False)

    await _swept(dust)

    assert dust.sweeps >= 3


async def test_it_goes_on_whatever_went_wrong() -> None:
    dust = Dust(StoreUnavailable("away"), RuntimeError("a defect"), True, False)

    await _swept(dust)

    assert dust.sweeps >= 4


async def test_it_ends_with_its_block() -> None:
    dust, clock = Dust(), ManualClock()

    async with Housekeeper(dust, clock).running():
        await asyncio.sleep(0)

    clock.move(10 * SWEEP_S)
    await asyncio.sleep(0)
    assert dust.sweeps == 0
