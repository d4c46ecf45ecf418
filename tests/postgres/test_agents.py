"""Changing an agent while others do."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from polyagent.adapters.memory.documents.retrieval import MemoryRetrieval
from polyagent.adapters.memory.models import ScriptedModels
from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.memory.state import State
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.account import Actor
from polyagent.domain.agent import NewAgent
from polyagent.domain.errors import PreconditionFailed
from polyagent.domain.ids import new_id
from polyagent.settings import Database
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.audit import Audit
from tests.world import Toolbox

TIMES = 8
ACTOR = Actor(user_id=new_id(), workspace_id=new_id(), role="member")


@pytest.fixture
async def agents(postgres_url: str) -> AsyncIterator[ManageAgents]:
    engine = open_engine(Database(url=postgres_url))
    store, clock = PostgresStore(engine, MemoryQueue()), SystemClock()
    audit, retrieval = Audit(store, clock), MemoryRetrieval(State())
    yield ManageAgents(store, Toolbox(), ScriptedModels(), clock, audit, retrieval)
    await engine.dispose()


async def test_changes_that_name_no_version_all_happen(agents: ManageAgents) -> None:
    agent = await agents.create(ACTOR, NewAgent(name=f"changed {new_id()}"))

    await asyncio.gather(
        *(
            agents.patch(ACTOR, agent.id, {"metadata": {str(n): n}}, version=None)
            for n in range(TIMES)
        )
    )

    now = await agents.get(ACTOR, agent.id)
    assert now.version == 1 + TIMES
    assert now.metadata == {str(n): n for n in range(TIMES)}


async def test_of_changes_to_one_version_one_happens(agents: ManageAgents) -> None:
    agent = await agents.create(ACTOR, NewAgent(name=f"changed {new_id()}"))

    answers = await asyncio.gather(
        *(agents.patch(ACTOR, agent.id, {"type": "code"}, version=1) for _ in range(TIMES)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, PreconditionFailed) for answer in answers) == TIMES - 1
    assert (await agents.get(ACTOR, agent.id)).version == 2
