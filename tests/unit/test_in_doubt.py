"""Calls of which nobody knows whether they took effect: what the model and the run learn of them."""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import pytest

from polyagent.adapters.functions import threads
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.adapters.memory.models import said
from polyagent.adapters.memory.state import State
from polyagent.adapters.system.clock import SystemClock
from polyagent.app import App
from polyagent.domain.account import Actor
from polyagent.domain.chat import text_of
from polyagent.domain.errors import ToolInDoubt
from polyagent.domain.event import EventBody, RunCompleted, RunFailed, ToolCompleted
from polyagent.domain.tool import CallContext, Effect, ExecuteTool, ToolResult
from polyagent.usecases.tools import UseTools
from tests.world import World, called, living

CONTEXT = CallContext(
    workspace_id=UUID(int=1), user_id=UUID(int=2), run_id=None, idempotency_key="key"
)
TOO_LONG = "It took longer than 0.01 s"
DOUBT = "; nobody knows whether it took effect or still will. Find out before you do it again."
IN_DOUBT = ToolResult(state="in_doubt", error="nobody knows")


class Hanging:
    """An operator's tool that does not end before it is let."""

    def __init__(self, effect: Effect, *, blocks: bool) -> None:
        app, self.let = App(), threading.Event()
        app.tool(name="pay", effect=effect)(self.pay if blocks else self.pay_later)
        self.tools = FunctionTools(app.tools, timeout_s=0.01, max_result_bytes=10_000)

    def pay(self) -> None:
        """Pays."""
        self.let.wait(60)

    async def pay_later(self) -> None:
        """Pays."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KeyError("it breaks when it is stopped") from None


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize(
    ("effect", "told"),
    [
        ("once", ToolResult(state="in_doubt", error=TOO_LONG + DOUBT)),
        ("write", ToolResult(state="failed", error=TOO_LONG + DOUBT)),
        ("read", ToolResult(state="failed", error=f"{TOO_LONG}.")),
    ],
)
async def test_a_call_that_takes_too_long_may_still_take_effect(
    effect: Effect, told: ToolResult, blocks: bool
) -> None:
    hanging = Hanging(effect, blocks=blocks)

    answer = await hanging.tools.call("pay", {}, CONTEXT)
    hanging.let.set()

    assert answer == told


async def test_one_that_found_no_place_took_no_effect() -> None:
    hanging = Hanging("once", blocks=True)
    calls = (hanging.tools.call("pay", {}, CONTEXT) for _ in range(threads.AT_ONCE))
    before = await asyncio.gather(*calls)

    answer = await hanging.tools.call("pay", {}, CONTEXT)
    hanging.let.set()

    assert {each.state for each in before} == {"in_doubt"}
    assert answer.state == "failed"
    assert "could not begin" in (answer.error or "")


def test_a_thread_whose_caller_left_before_it_began_does_nothing() -> None:
    done, made = Future[None](), list[int]()
    done.cancel()

    threads._work(done, lambda: made.append(1))

    assert made == []


async def test_a_tool_may_say_itself_that_nobody_knows() -> None:
    app = App()

    @app.tool
    def pay() -> None:
        """Pays."""
        raise ToolInDoubt("The bank hung up\x00 in the middle.")

    tools = FunctionTools(app.tools, timeout_s=30, max_result_bytes=10_000)

    assert await tools.call("pay", {}, CONTEXT) == ToolResult(
        state="in_doubt", error="The bank hung up in the middle."
    )


async def test_a_call_by_hand_that_is_in_doubt_has_failed_and_says_so() -> None:
    hanging = Hanging("once", blocks=False)

    executed = await UseTools(hanging.tools, SystemClock()).execute(
        Actor.system(), ExecuteTool(name="pay")
    )

    assert (executed.state, executed.error) == ("failed", TOO_LONG + DOUBT)


async def doubtful(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
    return IN_DOUBT


def states(story: list[EventBody]) -> dict[str, int]:
    ended = [body.state for body in story if isinstance(body, ToolCompleted)]
    return {state: ended.count(state) for state in ended}


async def asks_for(world: World, *names: str, **agent: Any) -> Any:
    world.tools.add("pay", doubtful, effect="once")
    world.models.scripts.append(called(*((name, "{}") for name in names)))
    helper = await world.has_agent(tools=(*set(names),), **agent)
    return (await world.asks("hi", agent_id=helper.id)).run


async def test_a_model_is_told_of_the_doubt_and_goes_on() -> None:
    async with living() as world:
        run = await asks_for(world, "pay")
        world.models.scripts.append(said("I shall look first."))

        story = await world.story(run)

    assert states(story) == {"in_doubt": 1}
    assert isinstance(story[-1], RunCompleted)
    assert text_of(world.models.prompts[-1].messages[-1].parts) == '{"error":"nobody knows"}'


async def test_an_agent_may_have_its_run_fail_then() -> None:
    async with living() as world:
        run = await asks_for(world, "pay", in_doubt="fail")

        story = await world.story(run)

    assert story[-1] == RunFailed("tool_in_doubt", "pay: nobody knows")
    assert len(world.models.prompts) == 1


async def test_a_call_beside_it_ends_before_the_run_fails() -> None:
    async with living() as world:
        let = asyncio.Event()

        async def slow(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
            await let.wait()
            return ToolResult(state="done")

        world.tools.add("slow", slow, effect="once")
        run = await asks_for(world, "slow", "pay", in_doubt="fail")
        await world.until(run, ToolCompleted)

        let.set()
        story = await world.story(run)

    assert states(story) == {"in_doubt": 1, "done": 1}
    assert isinstance(story[-1], RunFailed)


async def test_no_call_begins_once_the_run_has_to_fail() -> None:
    async with living() as world:
        run = await asks_for(world, *["pay"] * 20, in_doubt="fail")

        story = await world.story(run)

    assert len(world.tools.witnessed) == states(story)["in_doubt"] < 20
    assert sum(states(story).values()) == 20


async def test_a_run_that_is_taken_over_in_doubt_fails_all_the_same() -> None:
    state = State()
    async with living(state) as world:
        await world.agents.make_builtin()

        async def stuck(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets this event")

        world.tools.add("slow", stuck, effect="read")
        run = await asks_for(world, "pay", "slow", in_doubt="fail")
        await world.until(run, ToolCompleted)

        world.executor._handles[run.id].fence()
        story = await world.story(run)

    assert states(story) == {"in_doubt": 1, "cancelled": 1}
    assert isinstance(story[-1], RunFailed)
    assert [name for name, *_ in world.tools.witnessed].count("pay") == 1
