"""What a run may use: its agent says so, else the server."""

from typing import Any

import pytest
from msgspec.structs import replace

from polyagent.adapters.memory.models import said
from polyagent.domain.agent import Limits
from polyagent.domain.event import MessageCompleted, RunCompleted, RunFailed, ToolCompleted
from polyagent.domain.model import Finished, ModelDelta
from polyagent.domain.response_format import JsonObject
from polyagent.domain.run import RunDefaults
from tests.unit.test_execute_run import only, stuck
from tests.world import DEFAULTS, called, living


def priced(script: list[ModelDelta], cost: float | None) -> list[ModelDelta]:
    """Return the script with what its answer costs."""
    *deltas, last = script
    assert isinstance(last, Finished)
    return [*deltas, replace(last, usage=replace(last.usage, cost=cost))]


LOOK = called(("lookup", "{}"))
SAY = said("done")


@pytest.mark.parametrize(
    ("limits", "said_of_it", "calls"),
    [
        (Limits(max_steps=1), "its limit of 1 steps", 1),
        (Limits(max_steps=3), "its limit of 3 steps", 3),
        (Limits(max_output_tokens=2), "its limit of 2 tokens", 2),
        (Limits(budget=0.05), "its budget of 0.05", 2),
    ],
)
async def test_a_limit_of_the_agent_ends_the_run(
    limits: Limits, said_of_it: str, calls: int
) -> None:
    async with living() as world:
        world.models.scripts += [priced(LOOK, 0.03)] * 9
        agent = await world.has_agent(limits=limits)

        admitted = await world.asks("hi", agent_id=agent.id)
        story = await world.story(admitted.run)

    assert isinstance(story[-1], RunFailed)
    assert (story[-1].code, story[-1].retryable) == ("limit_reached", False)
    assert said_of_it in story[-1].detail
    assert len(world.models.prompts) == calls


async def test_the_time_of_the_agent_ends_the_run() -> None:
    async with living() as world:
        world.tools.add("lookup", stuck)
        world.models.scripts.append(LOOK)
        agent = await world.has_agent(limits=Limits(timeout_s=0.2))

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert story[-1] == RunFailed("limit_reached", "The run took longer than 0.2 s.")


async def test_a_spent_budget_stops_the_tools_that_were_asked_for() -> None:
    async with living() as world:
        world.models.scripts.append(priced(LOOK, 0.06))
        agent = await world.has_agent(limits=Limits(budget=0.05))

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert [done.state for done in only(story, ToolCompleted)] == ["cancelled"]
    assert isinstance(story[-1], RunFailed)
    assert world.tools.witnessed == []


async def test_an_answer_that_took_the_rest_of_the_budget_stands() -> None:
    async with living() as world:
        world.models.scripts += [priced(LOOK, 0.03), priced(SAY, 9.0)]
        agent = await world.has_agent(limits=Limits(budget=0.05))

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert isinstance(story[-1], RunCompleted)
    assert story[-1].usage.cost == pytest.approx(9.03)


async def test_a_budget_without_a_price_lets_one_answer_pass_and_no_tool() -> None:
    async with living() as world:
        world.models.scripts += [priced(SAY, None), priced(LOOK, None)]
        agent = await world.has_agent(limits=Limits(budget=0.05))

        answer = await world.story((await world.asks("hi", agent_id=agent.id)).run)
        story = await world.story((await world.asks("look", agent_id=agent.id)).run)

    assert isinstance(answer[-1], RunCompleted)
    assert isinstance(story[-1], RunFailed)
    assert "ai.prices" in story[-1].detail
    assert world.tools.witnessed == []


async def test_the_budget_of_the_server_is_that_of_agents_without_one() -> None:
    defaults = RunDefaults(max_steps=9, max_output_tokens=99, timeout_s=60, budget=0.05)
    async with living(defaults=defaults) as world:
        world.models.scripts += [priced(LOOK, 0.06), priced(LOOK, 0.06), priced(SAY, 0.01)]
        frugal = await world.has_agent()
        rich = await world.has_agent(name="rich", limits=Limits(budget=1))

        stories: list[Any] = [
            await world.story((await world.asks("hi", agent_id=agent.id)).run)
            for agent in (frugal, rich)
        ]

    assert [type(story[-1]) for story in stories] == [RunFailed, RunCompleted]


async def test_a_spent_budget_stops_further_tries_at_a_form() -> None:
    async with living() as world:
        world.models.scripts += [priced(SAY, 0.06)] * 3
        agent = await world.has_agent(limits=Limits(budget=0.05))

        admitted = await world.asks("hi", agent_id=agent.id, response_format=JsonObject())
        story = await world.story(admitted.run)

    assert isinstance(story[-1], RunFailed)
    assert story[-1].code == "limit_reached"
    assert only(story, MessageCompleted) == []
    assert len(world.models.prompts) == 1


async def test_the_limits_of_the_agent_are_told_to_the_model() -> None:
    async with living() as world:
        agent = await world.has_agent(limits=Limits(max_output_tokens=7))

        await world.story((await world.asks("hi", agent_id=agent.id)).run)
        await world.story((await world.asks("hi")).run)

    most = [prompt.settings.max_output_tokens for prompt in world.models.prompts]
    assert most == [7, None]
    assert DEFAULTS.max_output_tokens > 7
