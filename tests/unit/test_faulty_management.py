"""Agents and sessions while the store fails: what was acknowledged is there, the rest is whole or not at all."""

from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID

import pytest

from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.errors import NameTaken, NotFound, PreconditionFailed, StoreUnavailable
from polyagent.domain.page import PageAsk
from tests.fault_plan import dice_of
from tests.fleet import Fleet
from tests.grounds import MemoryGround
from tests.process import Process
from tests.virtual import run_virtually

T = TypeVar("T")

ALL = PageAsk(limit=100, order="asc")


async def _told(call: Awaitable[T]) -> T | None:
    """Return what was answered, None if the store was away."""
    try:
        return await call
    except StoreUnavailable:
        return None


@pytest.mark.parametrize("seed", range(60))
def test_an_agent_has_every_version_that_was_acknowledged(seed: int) -> None:
    async def story() -> None:
        fleet = Fleet(MemoryGround(), seed=seed)
        await fleet.opens()
        process = fleet.starts(rate=0.15)
        made = await _made(fleet, process)
        acknowledged = {1: made.instructions}
        for n in range(12):
            changed = await _told(_changed(fleet, process, made, f"do {n}"))
            if changed is not None:
                acknowledged[changed.version] = changed.instructions
        process.plan.stop()

        versions = (await process.agents.versions(fleet.actor, made.id, ALL)).items

        assert [agent.version for agent in versions] == [*range(1, len(versions) + 1)]
        assert len(versions) <= 13
        told = {agent.version: agent.instructions for agent in versions}
        assert acknowledged.items() <= told.items(), process.plan
        await fleet.closes()

    run_virtually(story())


async def _made(fleet: Fleet, process: Process) -> Agent:
    """Create an agent as somebody does who insists: under another name where the first was taken."""
    n = 0
    while True:
        try:
            made = await _told(process.agents.create(fleet.actor, NewAgent(name=f"helper {n}")))
        except NameTaken:  # by the one whose answer was lost
            n += 1
            continue
        if made is not None:
            return made


async def _changed(fleet: Fleet, process: Process, agent: Agent, what: str) -> Agent | None:
    try:
        return await process.agents.patch(
            fleet.actor, agent.id, {"instructions": what}, version=None
        )
    except PreconditionFailed:
        return None


@pytest.mark.parametrize("seed", range(60))
def test_a_session_is_deleted_with_its_runs_or_not_at_all(seed: int) -> None:
    async def story() -> None:
        ground = MemoryGround()
        fleet = Fleet(ground, seed=seed)
        await fleet.opens()
        process = fleet.starts(rate=0.15)
        dice = dice_of(seed)
        for _ in range(4):
            await fleet.asks(process, "call read; say done", background=dice.random() < 0.5)
        for run in [*fleet.acknowledged]:
            await fleet.asks(process, "call write; say done", session_id=run.session_id)
        deleted = [
            run.session_id
            for run in fleet.acknowledged
            if run.session_id is not None
            and dice.random() < 0.5
            and await _is_deleted(fleet, process, run.session_id)
        ]
        process.plan.stop()
        while any(not row.run.is_final for row in ground.state.runs.values()):
            await ground.clock.sleep(0.1)

        assert set(deleted) <= ground.state.deleted_sessions, process.plan
        for row in ground.state.runs.values():
            is_hidden = row.run.session_id in ground.state.deleted_sessions
            assert row.hidden is is_hidden, process.plan
            if not is_hidden:
                assert row.cancel_at is None, process.plan
        await fleet.closes()

    run_virtually(story())


async def _is_deleted(fleet: Fleet, process: Process, session_id: UUID) -> bool:
    try:
        await process.sessions.delete(fleet.actor, session_id)
    except NotFound:
        return True
    except StoreUnavailable:
        return False
    return True
