"""The wrapper that makes ports fail: every port has one, and it does what its plan says."""

import importlib
import inspect
import pkgutil
from typing import Any, get_args
from uuid import UUID

import pytest

import polyagent.ports
from polyagent.adapters.memory.models import ScriptedModels, said
from polyagent.adapters.memory.runs.journal import MemoryJournal
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.domain.account import Actor
from polyagent.domain.errors import ModelServiceBroken, StoreUnavailable
from polyagent.domain.ids import new_id
from polyagent.domain.model import ModelDelta, Prompt, PromptMessage
from polyagent.domain.page import PageAsk
from polyagent.domain.tool import CallContext, ToolResult
from polyagent.ports.journal import Journal
from polyagent.ports.models import Models
from polyagent.ports.store import Store
from polyagent.ports.tools import Tools
from tests.fault_plan import Killed, Kind, Plan
from tests.fault_ways import WAYS, undeclared
from tests.faults import faulty, members, methods
from tests.virtual import LoopClock, run_virtually
from tests.world import Toolbox


def _ports() -> list[type]:
    """Return every Protocol that the ports' modules define."""
    found: list[type] = []
    for module in pkgutil.iter_modules(polyagent.ports.__path__):
        loaded = importlib.import_module(f"polyagent.ports.{module.name}")
        classes = (each for _, each in inspect.getmembers(loaded, inspect.isclass))
        found += [
            each
            for each in classes
            if each.__module__ == loaded.__name__ and getattr(each, "_is_protocol", False)
        ]
    return found


def _plan(**faults: Any) -> Plan:
    return Plan(LoopClock(), **faults)


@pytest.mark.parametrize("port", _ports(), ids=lambda port: port.__name__)
def test_every_method_of_every_port_has_a_wrapper_and_a_declared_way_to_fail(port: type) -> None:
    assert undeclared(port, methods(port)) == []
    assert sorted(WAYS[port]) == sorted(methods(port))

    wrapper = type(faulty(port, object(), _plan()))

    assert {name for name in vars(wrapper) if name in members(port)} == set(members(port))


def test_a_method_that_nobody_declared_is_noticed() -> None:
    assert undeclared(Journal, [*methods(Journal), "rewind"]) == ["Journal.rewind"]


def test_a_seed_is_the_same_plan_again_and_so_is_what_it_did() -> None:
    async def happened(plan: Plan) -> list[str]:
        journal: Journal = faulty(Journal, MemoryJournal(State(), LoopClock()), plan)
        outcomes = []
        for n in range(60):
            try:
                await journal.beat(UUID(int=n))
                outcomes.append("done")
            except StoreUnavailable as error:
                outcomes.append(error.detail)
        return outcomes

    plan = _plan(seed=7, rate=0.4)
    first = run_virtually(happened(plan))

    assert len(plan.injected) > 10
    assert set(plan.injected.values()) == set(get_args(Kind)) - {"dies_before", "dies_after"}
    assert run_virtually(happened(_plan(seed=7, rate=0.4))) == first
    assert run_virtually(happened(_plan(seed=7, exactly=plan.injected))) == first
    assert str(plan.injected) in str(plan)


@pytest.mark.parametrize(("kind", "is_done"), [("unavailable", False), ("lost_answer", True)])
async def test_what_fails_was_done_or_not_as_the_plan_says(kind: Kind, is_done: bool) -> None:
    state, worker_id = State(), new_id()
    plan = _plan(exactly={"Journal.beat#1": kind})
    journal: Journal = faulty(Journal, MemoryJournal(state, LoopClock()), plan)

    with pytest.raises(StoreUnavailable):
        await journal.beat(worker_id)

    assert (worker_id in state.workers) is is_done


def test_what_is_slow_takes_its_time_and_is_done() -> None:
    async def took_s() -> float:
        clock = LoopClock()
        plan = Plan(clock, exactly={"Journal.beat#1": "slow"})
        await faulty(Journal, MemoryJournal(State(), clock), plan).beat(new_id())
        return clock.monotonic()

    assert run_virtually(took_s()) > 0


async def test_a_transaction_fails_within_or_once_it_was_committed() -> None:
    exactly: dict[str, Kind] = {"Agents.list#1": "unavailable", "Store.begin#2": "lost_answer"}
    store: Store = faulty(Store, MemoryStore(State(), LoopClock()), _plan(exactly=exactly))
    read: list[int] = []

    async def reads() -> None:
        async with store.begin(Actor.system()) as tx:
            read.append(len((await tx.agents.list(PageAsk(limit=1))).items))

    with pytest.raises(StoreUnavailable):
        await reads()
    assert read == []
    with pytest.raises(StoreUnavailable):
        await reads()
    assert read == [0]


async def test_a_stream_breaks_off_after_all_was_said() -> None:
    exactly: dict[str, Kind] = {"Models.stream#1": "lost_answer"}
    models: Models = faulty(Models, ScriptedModels(said("a", "b")), _plan(exactly=exactly))
    heard: list[ModelDelta] = []

    async def listen() -> None:
        async for delta in models.stream(Prompt(messages=(PromptMessage(role="user"),))):
            heard.append(delta)  # noqa: PERF401  # what was heard counts, also when it breaks

    with pytest.raises(ModelServiceBroken):
        await listen()
    assert len(heard) == 3


async def test_a_port_that_never_raises_answers_otherwise() -> None:
    toolbox = Toolbox()
    tools: Tools = faulty(Tools, toolbox, _plan(exactly={"Tools.call#1": "lost_answer"}))
    context = CallContext(workspace_id=new_id(), user_id=new_id(), run_id=None, idempotency_key="k")

    result = await tools.call("lookup", {}, context)

    assert result == ToolResult(state="failed", error="It broke.")
    assert len(toolbox.witnessed) == 1


async def test_a_dead_process_does_nothing_any_more() -> None:
    state = State()
    plan = _plan(exactly={"Journal.beat#1": "dies_after"})
    journal: Journal = faulty(Journal, MemoryJournal(state, LoopClock()), plan)

    for _ in range(2):
        with pytest.raises(Killed):
            await journal.beat(new_id())

    assert len(state.workers) == 1
