"""Tasks while the journal and the queue fail, and workers die: each ends once, as its attempts say."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from polyagent.domain.caps import Caps
from polyagent.domain.errors import TaskFailed
from polyagent.domain.task import TaskWork
from polyagent.ports.kinds import TaskControl
from polyagent.ports.queue import TaskQueue
from polyagent.ports.tasks import TaskJournal
from tests.contract.engine import Asked
from tests.contract.engines import MemoryEngine
from tests.fault_plan import Plan, dice_of
from tests.faults import faulty
from tests.virtual import LoopClock, run_virtually

TASKS = 40
PATIENCE_S = 300.0


class FaultyEngine(MemoryEngine):
    """Its workers' journal and queue fail by a plan."""

    def __init__(self, seed: int) -> None:
        super().__init__(LoopClock())
        self.plan = Plan(self.clock, seed=seed, rate=0.2)
        queue: Any = self.queue
        self.queue = faulty(TaskQueue, queue, self.plan)

    def task_journal(self, caps: Caps) -> TaskJournal:
        real = super().task_journal(caps)
        return faulty(TaskJournal, real, self.plan)


@pytest.mark.parametrize("seed", range(60))
def test_every_task_ends_once_whatever_fails(seed: int) -> None:
    done: Counter[int] = Counter()

    async def works(work: TaskWork, _: TaskControl) -> int:
        dice = dice_of(f"{seed} {work.payload['n']} {work.attempt}")
        await asyncio.sleep(dice.random())
        if dice.random() < 0.2:
            raise TaskFailed("Bad luck.")
        done[work.payload["n"]] += 1
        return int(work.payload["n"])

    async def story() -> None:
        engine = FaultyEngine(seed)
        await engine.opens()
        ids = await engine.enqueue(
            *(Asked(payload={"n": n}, who=n % 3, max_attempts=50) for n in range(TASKS))
        )
        async with engine.worker({"note": works}, slots=5) as worker:
            await asyncio.sleep(3)
            if seed % 2:
                await worker.dies()
            async with engine.worker({"note": works}, slots=5):
                async with asyncio.timeout(PATIENCE_S):
                    for id_ in ids:
                        while (await engine.see(id_)).status != "succeeded":
                            await asyncio.sleep(1)
                engine.plan.stop()
        for n, id_ in enumerate(ids):
            seen = await engine.see(id_)
            assert (seen.result, seen.attempts.count(None)) == (n, 1), engine.plan
            assert 1 <= done[n] <= len(seen.attempts), engine.plan

    run_virtually(story())
