"""A session goes on after whatever happened to its calls: a strict model service takes its history."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from polyagent.adapters.memory.models import said
from polyagent.adapters.memory.state import State
from polyagent.adapters.openai.knowing.habits import Habits
from polyagent.adapters.openai.request import body_of
from polyagent.domain.chat import ForkSession
from polyagent.domain.event import RunCancelled, RunCompleted, RunFailed, ToolCompleted
from polyagent.domain.run import Run, RunDefaults
from polyagent.domain.tool import CallContext, Effect, ToolResult
from tests.model_service.strict import complaints
from tests.world import DEFAULTS, World, called, living

BRIEF = RunDefaults(max_steps=8, max_output_tokens=1000, timeout_s=2)


async def stuck(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


async def asks_for_two(world: World, *, slow: Effect = "read") -> Run:
    """Return a run whose first call is done and whose second one goes on for ever."""
    world.tools.add("slow", stuck, effect=slow)
    agent = await world.has_agent(tools=("lookup", "slow"))
    world.models.scripts.append(called(("lookup", '{"q": 1}'), ("slow", "{}")))
    run = (await world.asks("hi", agent_id=agent.id)).run
    await world.until(run, ToolCompleted)
    while len(world.tools.witnessed) < 2:
        await asyncio.sleep(0)
    return run


async def cancelled(world: World) -> Run:
    run = await asks_for_two(world)
    await world.manage.cancel(world.actor, run.id)
    assert isinstance((await world.story(run))[-1], RunCancelled)
    return run


async def caught_by_death(world: World) -> Run:
    run = await asks_for_two(world, slow="once")
    world.models.scripts.append(said("I do not know."))
    world.executor._handles[run.id].fence()
    story = await world.story(run)
    assert [b.state for b in story if isinstance(b, ToolCompleted)] == ["done", "in_doubt"]
    return run


async def timed_out(world: World) -> Run:
    run = await asks_for_two(world)
    assert isinstance((await world.story(run))[-1], RunFailed)
    return run


CASES = pytest.mark.parametrize(
    ("happens", "state"),
    [(cancelled, "cancelled"), (caught_by_death, "in_doubt"), (timed_out, "cancelled")],
)


async def goes_on(world: World, session_id: UUID | None) -> None:
    again = await world.asks("and now?", session_id=session_id)
    assert isinstance((await world.story(again.run))[-1], RunCompleted)
    for prompt in world.models.prompts:
        messages = json.loads(body_of(prompt, "scripted", Habits()))["messages"]
        assert [*complaints(messages)] == []


@CASES
async def test_the_session_goes_on_with_every_call_answered(happens: Any, state: str) -> None:
    defaults = BRIEF if happens is timed_out else DEFAULTS
    async with living(defaults=defaults) as world:
        run = await happens(world)

        await goes_on(world, run.session_id)
        messages = await world.messages(run.session_id)

    assert [call.state for call in messages[1].tool_calls] == ["done", state]


@CASES
async def test_a_fork_at_any_of_its_messages_goes_on(happens: Any, state: str) -> None:
    defaults = BRIEF if happens is timed_out else DEFAULTS
    async with living(defaults=defaults) as world:
        run = await happens(world)
        messages = await world.messages(run.session_id)
        assert run.session_id is not None

        for message in messages:
            ask = ForkSession(message_id=message.id)
            fork = await world.sessions.fork(world.actor, run.session_id, ask)
            await goes_on(world, fork.id)

    assert [call.state for call in messages[1].tool_calls] == ["done", state]


async def test_a_fork_of_a_run_under_way_goes_on_beside_it() -> None:
    async with living() as world:
        run = await asks_for_two(world)
        message = (await world.messages(run.session_id))[-1]
        assert run.session_id is not None

        ask = ForkSession(message_id=message.id)
        fork = await world.sessions.fork(world.actor, run.session_id, ask)
        await goes_on(world, fork.id)
        (_, copy, *_) = await world.messages(fork.id)

        assert [call.state for call in message.tool_calls] == ["done", "started"]
        assert [call.state for call in copy.tool_calls] == ["done", "cancelled"]
        assert (await world.manage.cancel(world.actor, run.id)).status == "running"
        await world.story(run)


async def test_a_session_that_another_process_deletes_ends_its_run_here() -> None:
    state = State()
    async with living(state) as world:
        await world.agents.make_builtin()
        run = await asks_for_two(world)
        assert run.session_id is not None

        async with world.store.begin(world.actor) as tx:
            await tx.sessions.delete(run.session_id)
        while not state.runs[run.id].run.is_final:
            await asyncio.sleep(0)

    assert state.runs[run.id].run.status == "cancelled"
    assert all(not row.call.is_open for row in state.calls[run.id])
