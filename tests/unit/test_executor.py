"""The executor of one process, and what it tells the runs that it executes."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from polyagent.adapters.memory.runs.journal import MemoryJournal
from polyagent.domain.chat import Ask
from polyagent.domain.errors import StoreUnavailable
from polyagent.domain.run import Beat
from polyagent.ports.journal import Journal
from tests.fleet import Fleet
from tests.grounds import MemoryGround
from tests.virtual import run_virtually


class DeafJournal(MemoryJournal):
    is_deaf = False

    async def beat(self, worker_id: UUID) -> Beat:
        if self.is_deaf:
            raise StoreUnavailable("nobody hears it")
        return await super().beat(worker_id)


class DeafGround(MemoryGround):
    def __init__(self) -> None:
        super().__init__()
        self.deaf = DeafJournal(self.state, self.clock)

    def journal(self) -> Journal:
        return self.deaf


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.1)


def test_a_run_that_lived_through_a_lost_lease_does_not_hold_the_next_one() -> None:
    async def story() -> tuple[bool, bool]:
        ground = DeafGround()
        fleet = Fleet(ground)
        await fleet.opens()
        process = fleet.starts()
        await _until(lambda: process.local.is_open)
        await fleet.asks(process, "say " + "word " * 100)
        (handle,) = process.local._handles.values()
        held_before = handle.holds_lease()

        ground.deaf.is_deaf = True
        await _until(lambda: not process.local.is_open)
        ground.deaf.is_deaf = False
        await _until(lambda: process.local.is_open)

        held = (held_before, handle.holds_lease())
        await fleet.closes()
        return held

    assert run_virtually(story()) == (True, False)


def test_a_run_that_is_cancelled_before_its_task_began_ends_all_the_same() -> None:
    async def story() -> str:
        fleet = Fleet(MemoryGround())
        await fleet.opens()
        process = fleet.starts()
        await _until(lambda: process.local.is_open)

        send = process.spawn(
            process.send(fleet.actor, Ask(message="say hi", agent_id=fleet.agent.id))
        )
        while not process.local._handles:
            await asyncio.sleep(0)
        (run_id,) = process.local._handles
        await process.manage.cancel(fleet.actor, run_id)
        await send
        await fleet.rests()

        (run,) = await fleet.runs()
        await fleet.closes()
        return run.status

    assert run_virtually(story()) == "cancelled"
