"""What a run has used, whatever became of its calls of the model."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from polyagent.adapters.memory.models import ScriptedModels, said
from polyagent.domain.agent import Limits
from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceUnavailable,
)
from polyagent.domain.event import (
    ContextCompacted,
    MessageCompleted,
    MessageDelta,
    ReasoningDelta,
    RunCancelled,
    RunFailed,
    RunResumed,
    ToolArgumentsDelta,
    UsageReported,
)
from polyagent.domain.model import (
    CallDelta,
    ModelDelta,
    ModelInfo,
    Prompt,
    TextDelta,
    ThoughtDelta,
)
from polyagent.domain.run import Run, RunDefaults
from polyagent.domain.usage import Price, Usage
from tests.unit.test_execute_run import kinds, only
from tests.world import World, living

INFO = ModelInfo(
    name="scripted",
    service="memory",
    window_tokens=8192,
    window_guessed=True,
    price=Price(input=1.0, output=1_000_000.0),
)
CUT: list[Any] = [TextDelta("12345678"), ModelServiceBroken("cut")]


class Lingering(ScriptedModels):
    """Says what its scripts say, and then nothing more."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        async with aclosing(super().stream(prompt)) as deltas:
            async for delta in deltas:
                yield delta
        await asyncio.Event().wait()


async def _totals(world: World, run: Run, story: list[Any]) -> tuple[Usage, Usage]:
    """Return what the run says that it used, and the sum of what its events say."""
    reported = [body.usage for body in only(story, UsageReported)]
    return (await world.manage.get(world.actor, run.id)).usage, sum(reported, Usage())


@pytest.mark.parametrize(
    ("delta", "told"),
    [
        (TextDelta("12345678"), MessageDelta),
        (ThoughtDelta("12345678"), ReasoningDelta),
        (CallDelta(0, '{"a": 1}', "lookup"), ToolArgumentsDelta),
    ],
)
async def test_a_cancelled_run_has_used_what_was_said(delta: ModelDelta, told: Any) -> None:
    async with living(models=Lingering([delta], info=INFO)) as world:
        agent = await world.has_agent()
        admitted = await world.asks("hi", agent_id=agent.id)
        await world.until(admitted.run, told)

        await world.manage.cancel(world.actor, admitted.run.id)
        story: list[Any] = await world.story(admitted.run)
        used, reported = await _totals(world, admitted.run, story)

    assert kinds(story[-2:]) == [UsageReported, RunCancelled]
    assert story[-2].model == "scripted"
    assert (used.output_tokens, used.estimated) == (2, True)
    assert used.input_tokens > 0
    assert used.total_tokens == used.input_tokens + 2
    assert used.cost == pytest.approx(2 + used.input_tokens / 1_000_000)
    assert used == reported


async def test_what_was_said_up_to_the_time_limit_is_used() -> None:
    defaults = RunDefaults(max_steps=9, max_output_tokens=99, timeout_s=0.2)
    async with living(models=Lingering([TextDelta("1234")]), defaults=defaults) as world:
        admitted = await world.asks("hi")
        story: list[Any] = await world.story(admitted.run)
        used, _ = await _totals(world, admitted.run, story)

    assert kinds(story[-3:]) == [MessageCompleted, UsageReported, RunFailed]
    assert (used.output_tokens, used.estimated) == (1, True)


async def test_each_try_that_broke_off_is_used_once() -> None:
    async with living(models=ScriptedModels(*[CUT] * 3)) as world:
        admitted = await world.asks("hi")
        story: list[Any] = await world.story(admitted.run)
        used, reported = await _totals(world, admitted.run, story)

    durable = (UsageReported, RunResumed, RunFailed)
    assert [type(body) for body in story if isinstance(body, durable)] == [
        *[UsageReported, RunResumed] * 2,
        UsageReported,
        RunFailed,
    ]
    assert used.output_tokens == 6
    assert used == reported


async def test_an_empty_answer_is_used_as_the_service_told() -> None:
    async with living(models=ScriptedModels(said(" "), said("Hello"))) as world:
        admitted = await world.asks("hi")
        story: list[Any] = await world.story(admitted.run)
        used, reported = await _totals(world, admitted.run, story)

    assert used == reported == Usage(input_tokens=2, output_tokens=1, total_tokens=3)


async def test_a_service_that_never_spoke_used_nothing() -> None:
    async with living(models=ScriptedModels([ModelServiceUnavailable("away")])) as world:
        story: list[Any] = await world.story((await world.asks("hi")).run)

    assert only(story, UsageReported) == []


async def test_a_summary_that_broke_off_is_used_too() -> None:
    async with living() as world:
        first = await world.asks("a long time ago")
        await world.story(first.run)
        too_long = ContextExceeded("too long", window_tokens=40)
        world.models.scripts += [[too_long], CUT, said("Hello")]

        again = await world.asks("x" * 60, session_id=first.run.session_id)
        story: list[Any] = await world.story(again.run)
        used, reported = await _totals(world, again.run, story)

    compacted = next(n for n, body in enumerate(story) if isinstance(body, ContextCompacted))
    assert story[compacted + 1].usage.estimated
    assert used.output_tokens == 3
    assert used == reported


async def test_a_budget_that_broken_tries_have_spent_ends_the_run() -> None:
    async with living(models=ScriptedModels(*[CUT] * 3, info=INFO)) as world:
        agent = await world.has_agent(limits=Limits(budget=1.5))

        run = (await world.asks("hi", agent_id=agent.id)).run
        story: list[Any] = await world.story(run)

    assert story[-1].code == "limit_reached"
    assert len(world.models.prompts) == 1
