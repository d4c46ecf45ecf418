"""The loop of model and tools, in one process over memory."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from polyagent.adapters.memory.models import said
from polyagent.adapters.memory.state import State
from polyagent.domain.chat import TextPart, text_of
from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ToolsRefused,
)
from polyagent.domain.event import (
    EPOCH,
    MessageCompleted,
    MessageDelta,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    ToolCalled,
    ToolCompleted,
    UsageReported,
)
from polyagent.domain.model import DEFAULT_WINDOW_TOKENS, ModelInfo, TextDelta
from polyagent.domain.run import RunDefaults
from polyagent.domain.tool import CallContext, ToolResult
from tests.world import World, called, living


def kinds(story: list[Any]) -> list[type[Any]]:
    return [type(body) for body in story]


def spoken(story: list[Any]) -> str:
    return "".join(body.text for body in story if isinstance(body, MessageDelta))


def only(story: list[Any], kind: type[Any]) -> list[Any]:
    return [body for body in story if isinstance(body, kind)]


async def stuck(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


async def test_an_answer_is_told_delta_by_delta_and_then_as_a_whole() -> None:
    async with living() as world:
        world.models.scripts.append(said("Hello", " you"))

        admitted = await world.asks("hi")
        story = await world.story(admitted.run)

    assert kinds(story) == [
        RunStarted,
        MessageDelta,
        MessageDelta,
        MessageCompleted,
        UsageReported,
        RunCompleted,
    ]
    assert only(story, MessageCompleted)[0].message.content == spoken(story) == "Hello you"


async def test_events_are_numbered_without_a_gap_in_their_epoch() -> None:
    async with living() as world:
        world.models.scripts += [called(("lookup", '{"q": 1}')), said("one")]
        agent = await world.has_agent()

        admitted = await world.asks("hi", agent_id=agent.id)
        ids = [event.id for event in await world.events_of(admitted.run)]

    assert ids == list(range(EPOCH + 1, EPOCH + 1 + len(ids)))


async def test_a_reader_that_comes_later_is_told_the_same() -> None:
    async with living() as world:
        admitted = await world.asks("hi")
        first = await world.events_of(admitted.run)

        again = await world.events_of(admitted.run)
        rest = await world.events_of(admitted.run, after=first[1].id)

    assert again == first
    assert rest == first[2:]


async def test_calls_of_one_step_run_and_their_results_reach_the_model() -> None:
    async with living() as world:
        world.models.scripts += [
            called(("lookup", '{"q": "a"}'), ("lookup", '{"q": "b"}')),
            said("both"),
        ]
        agent = await world.has_agent()

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert [call.arguments for call in only(story, ToolCalled)] == [{"q": "a"}, {"q": "b"}]
    assert {done.state for done in only(story, ToolCompleted)} == {"done"}
    last = world.models.prompts[-1].messages
    assert [message.role for message in last] == ["user", "assistant", "tool", "tool"]
    assert [text_of(message.parts) for message in last[-2:]] == [
        '{"result":{"found":"a"}}',
        '{"result":{"found":"b"}}',
    ]
    assert [call.id for call in last[1].calls] == [message.tool_call_id for message in last[-2:]]


@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("lookup", "[]", "not a JSON object"),
        ("lookup", '{"q": ', "not a JSON object"),
        ("nothing", "{}", "no tool 'nothing'"),
        ("calculator", "{}", "no tool 'calculator'"),
    ],
)
async def test_a_call_that_cannot_be_made_fails_and_the_model_goes_on(
    name: str, arguments: str, fault: str
) -> None:
    async with living() as world:
        world.models.scripts += [called((name, arguments)), said("sorry")]
        agent = await world.has_agent()

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    (done,) = only(story, ToolCompleted)
    assert done.state == "failed"
    assert fault in done.error
    assert isinstance(story[-1], RunCompleted)
    assert world.tools.witnessed == []


async def test_an_answer_that_breaks_off_is_voided_and_made_again() -> None:
    async with living() as world:
        world.models.scripts += [[TextDelta("Hal"), ModelServiceBroken("cut")], said("Hello")]

        story = await world.story((await world.asks("hi")).run)

    assert only(story, RunResumed) == [RunResumed(2, "retry", 1)]
    assert only(story, MessageCompleted)[0].message.content == "Hello"


async def test_an_answer_that_always_breaks_off_fails_the_run_and_is_kept_as_incomplete() -> None:
    async with living() as world:
        world.models.scripts += [[TextDelta("Hal"), ModelServiceBroken("cut")]] * 3

        admitted = await world.asks("hi")
        story = await world.story(admitted.run)
        messages = await world.messages(admitted.run.session_id)

    assert story[-1] == RunFailed("model_service_broken", "cut", True)
    assert [(m.content, m.incomplete) for m in messages] == [("hi", False), ("Hal", True)]


async def test_an_empty_answer_is_no_answer() -> None:
    async with living() as world:
        world.models.scripts += [said(" "), said("Hello")]

        story = await world.story((await world.asks("hi")).run)

    assert only(story, MessageCompleted)[0].message.content == "Hello"


async def test_a_dead_model_service_fails_the_run_and_says_why() -> None:
    async with living() as world:
        world.models.scripts.append([ModelServiceUnavailable("no answer in 30 s")])

        story = await world.story((await world.asks("hi")).run)

    assert story[-1] == RunFailed("model_service_unavailable", "no answer in 30 s", True)


async def test_a_run_that_is_cancelled_while_the_model_speaks_keeps_what_was_said() -> None:
    async with living() as world:
        agent = await world.has_agent()
        world.tools.add("lookup", stuck)
        world.models.scripts.append([TextDelta("Let me see."), *called(("lookup", "{}"))])
        admitted = await world.asks("hi", agent_id=agent.id)
        await world.until(admitted.run, ToolCalled)

        await world.manage.cancel(world.actor, admitted.run.id)
        story = await world.story(admitted.run)

    assert [type(body) for body in story[-2:]] == [ToolCompleted, RunCancelled]
    assert only(story, ToolCompleted)[0].state == "cancelled"


async def test_after_a_cancelled_call_the_session_goes_on_with_every_call_answered() -> None:
    async with living() as world:
        agent = await world.has_agent()
        world.tools.add("lookup", stuck)
        world.models.scripts.append(called(("lookup", "{}")))
        admitted = await world.asks("hi", agent_id=agent.id)
        await world.until(admitted.run, ToolCalled)
        await world.manage.cancel(world.actor, admitted.run.id)
        await world.story(admitted.run)

        again = await world.asks("and now?", session_id=admitted.run.session_id)
        story = await world.story(again.run)

    assert isinstance(story[-1], RunCompleted)
    roles = [message.role for message in world.models.prompts[-1].messages]
    assert roles == ["user", "assistant", "tool", "user"]


@pytest.mark.parametrize(
    ("limits", "said_of_it"),
    [
        (RunDefaults(max_steps=2, max_output_tokens=1000, timeout_s=60), "2 steps"),
        (RunDefaults(max_steps=9, max_output_tokens=2, timeout_s=60), "2 tokens"),
    ],
)
async def test_a_loop_of_tools_ends_at_the_limit(limits: RunDefaults, said_of_it: str) -> None:
    async with living(defaults=limits) as world:
        world.models.scripts += [called(("lookup", "{}"))] * 9
        agent = await world.has_agent()

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert isinstance(story[-1], RunFailed)
    assert story[-1].code == "limit_reached"
    assert said_of_it in story[-1].detail


async def test_a_run_that_takes_too_long_ends_at_its_limit() -> None:
    async with living(
        defaults=RunDefaults(max_steps=9, max_output_tokens=99, timeout_s=0.2)
    ) as world:
        world.tools.add("lookup", stuck)
        world.models.scripts.append(called(("lookup", "{}")))
        agent = await world.has_agent()

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert isinstance(story[-1], RunFailed)
    assert "0.2 s" in story[-1].detail


async def test_a_prompt_that_is_too_long_is_summarised_and_sent_again() -> None:
    async with living() as world:
        first = await world.asks("a long time ago")
        await world.story(first.run)
        too_long = ContextExceeded("too long", window_tokens=40)
        world.models.scripts += [[too_long], said("They met."), said("Hello")]

        again = await world.asks("x" * 60, session_id=first.run.session_id)
        story = await world.story(again.run)

    assert isinstance(story[-1], RunCompleted)
    before, _, after = world.models.prompts[-3:]
    assert len(before.messages) > len(after.messages)
    assert "They met." in text_of(after.messages[-1].parts)
    assert after.messages[-1].parts[-1] == TextPart("x" * 60)


async def test_what_was_refused_once_does_not_stop_the_session() -> None:
    async with living() as world:
        first = await world.asks("fine")
        await world.story(first.run)
        session_id = first.run.session_id
        world.models.scripts.append([ModelServiceRefused("not this")])
        await world.story((await world.asks("poison", session_id=session_id)).run)
        world.models.scripts += [[ModelServiceRefused("not this")], said("Hello")]

        story = await world.story((await world.asks("hi", session_id=session_id)).run)

    assert isinstance(story[-1], RunCompleted)
    before, after = ([text_of(m.parts) for m in p.messages] for p in world.models.prompts[-2:])
    assert [text for text in before if text not in after] == ["poison"]
    assert "fine" in after


async def test_an_answer_without_tools_says_so_once_however_often_it_is_tried() -> None:
    async with living() as world:
        agent = await world.has_agent()
        first = await world.asks("a long time ago")
        await world.story(first.run)
        world.models.scripts += [
            [ToolsRefused("no tools")],
            [ContextExceeded("too long", window_tokens=4000)],
            said("Hello"),
        ]

        again = await world.asks("hi", session_id=first.run.session_id, agent_id=agent.id)
        story = await world.story(again.run)

    assert spoken(story) == only(story, MessageCompleted)[0].message.content
    assert spoken(story).count("cannot call tools") == 1


async def test_a_prompt_that_cannot_be_shortened_fails_the_run() -> None:
    async with living() as world:
        world.models.scripts.append([ContextExceeded("too long")])

        story = await world.story((await world.asks("hi")).run)

    assert story[-1] == RunFailed("context_exceeded", "too long")


async def test_a_service_that_takes_no_tools_is_asked_without_them() -> None:
    async with living() as world:
        world.models.scripts += [[ToolsRefused("no tools")], said("Hello")]
        agent = await world.has_agent()

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert isinstance(story[-1], RunCompleted)
    assert [len(prompt.tools) for prompt in world.models.prompts] == [1, 0]
    assert "cannot call tools" in spoken(story)


async def test_an_agent_with_tools_on_a_model_without_says_so() -> None:
    async with living() as world:
        world.models._info = ModelInfo(
            name="local/tiny", service="local", window_tokens=DEFAULT_WINDOW_TOKENS, tools=False
        )
        agent = await world.has_agent()

        story = await world.story((await world.asks("hi", agent_id=agent.id)).run)

    assert spoken(story).startswith("[local/tiny cannot call tools")
    assert only(story, MessageCompleted)[0].message.content == spoken(story)


async def test_messages_into_a_busy_session_are_answered_in_their_order() -> None:
    async with living() as world:
        first = await world.asks("one")
        others = [await world.asks(n, session_id=first.run.session_id) for n in ("two", "three")]

        for admitted in (first, *others):
            await world.story(admitted.run)
        messages = await world.messages(first.run.session_id)

    asked = [message.content for message in messages if message.role == "user"]
    assert asked == ["one", "two", "three"]


async def test_a_run_that_is_handed_over_goes_on_elsewhere_and_repeats_nothing() -> None:
    state = State()
    release = asyncio.Event()

    async def held(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
        await release.wait()
        return ToolResult(state="done", result=1)

    async with living(state) as world:
        await world.agents.make_builtin()
        agent = await world.has_agent()
        world.tools.add("lookup", held)
        world.models.scripts.append(called(("lookup", "{}")))
        admitted = await world.asks("hi", agent_id=agent.id)
        await world.until(admitted.run, ToolCalled)
        drained = asyncio.create_task(world.executor.drain())
        release.set()
        await drained
    async with living(state) as heir:
        heir.actor = world.actor
        heir.models.scripts.append(said("done"))
        story = await heir.story(admitted.run)

    assert [r.reason for r in only(story, RunResumed)] == ["handover"]
    assert isinstance(story[-1], RunCompleted)
    assert len(world.tools.witnessed) == 1
    assert heir.tools.witnessed == []


async def _cut_down(world: World, state: State, effect: Any, **agent: Any) -> Any:
    """Have a run caught in the middle of a call by the death of its process."""
    world.tools.add("lookup", stuck, effect=effect)
    world.models.scripts.append(called(("lookup", "{}")))
    helper = await world.has_agent(**agent)
    admitted = await world.asks("hi", agent_id=helper.id)
    await world.until(admitted.run, ToolCalled)
    while not world.tools.witnessed:
        await asyncio.sleep(0)
    handle = world.executor._handles[admitted.run.id]
    handle.fence()
    return admitted


async def test_a_once_call_that_was_caught_is_in_doubt_and_not_made_again() -> None:
    state = State()
    async with living(state) as world:
        await world.agents.make_builtin()
        admitted = await _cut_down(world, state, "once")
        world.models.scripts.append(said("I do not know whether it happened."))

        story = await world.story(admitted.run)

    assert [done.state for done in only(story, ToolCompleted)] == ["in_doubt"]
    assert isinstance(story[-1], RunCompleted)
    assert len(world.tools.witnessed) == 1


async def test_an_agent_may_have_a_run_in_doubt_fail() -> None:
    state = State()
    async with living(state) as world:
        await world.agents.make_builtin()
        admitted = await _cut_down(world, state, "once", in_doubt="fail")

        story = await world.story(admitted.run)

    assert isinstance(story[-1], RunFailed)
    assert story[-1].code == "tool_in_doubt"


async def test_a_write_call_that_was_caught_is_made_again_under_its_key() -> None:
    state = State()
    async with living(state) as world:
        await world.agents.make_builtin()
        admitted = await _cut_down(world, state, "write")
        world.tools.add("lookup", _answer, effect="write")
        world.models.scripts.append(said("done"))

        story = await world.story(admitted.run)

    assert isinstance(story[-1], RunCompleted)
    keys = [key for _, _, key in world.tools.witnessed]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def _answer(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
    return ToolResult(state="done", result="ok")
