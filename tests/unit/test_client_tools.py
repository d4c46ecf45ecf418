"""Runs whose client brings the conversation and tools of its own along."""

from typing import Any

from polyagent.adapters.memory.models import said
from polyagent.domain.chat import TextPart
from polyagent.domain.event import MessageCompleted, RunCompleted, ToolCalled, ToolCompleted
from polyagent.domain.ids import new_id
from polyagent.domain.model import PromptMessage
from polyagent.domain.run import NewRun, Run, Spec
from polyagent.domain.tool import Tool
from polyagent.usecases.execution.tool_step import DEFERRED
from tests.world import World, called, living

MINE = Tool(name="mine", description="The client's.", parameters={"type": "object"})
ASKED = PromptMessage(role="user", parts=(TextPart("hi"),))


async def begins(world: World, **spec: Any) -> Run:
    ground = await world.runs.ground(
        world.actor, agent_id=None, agent_type="general", session_id=None, end_user=None
    )
    new = NewRun(
        id=new_id(),
        message_id=new_id(),
        session_id=None,
        new_session=False,
        title=None,
        agent_id=ground.agent.id,
        agent_version=1,
        spec=Spec(**{"parts": ASKED.parts, "given": (ASKED,), **spec}),
    )
    async with world.executor.admitting(new.id, world.actor.user_id) as worker_id:
        admitted = await world.runs.admit(world.actor, new, ground, worker_id=worker_id)
        assert admitted.work is not None
        world.executor.launch(admitted.work)
    return admitted.run


def calls_of(story: list[Any]) -> list[str]:
    return [body.name for body in story if isinstance(body, ToolCalled)]


async def test_what_the_client_gave_is_told_as_it_stands_behind_the_instructions() -> None:
    given = (
        PromptMessage(role="system", parts=(TextPart("Be brief."),)),
        PromptMessage(role="assistant", parts=(TextPart("Yes?"),)),
        ASKED,
    )
    async with living() as world:
        world.models.scripts.append(called(("lookup", "{}")))

        run = await begins(world, given=given, instructions="You are Eve.", tools=("lookup",))
        await world.story(run)

    first, second = world.models.prompts
    assert first.messages == (
        PromptMessage(role="system", parts=(TextPart("You are Eve.\n\nBe brief."),)),
        *given[1:],
    )
    assert second.messages[:3] == first.messages
    assert [message.role for message in second.messages[3:]] == ["assistant", "tool"]


async def test_a_step_that_calls_only_the_clients_tools_is_the_last() -> None:
    async with living() as world:
        world.models.scripts.append(called(("mine", '{"q": 1}'), ("mine", '{"q": 2}')))

        run = await begins(world, client_tools=(MINE,), tools=("lookup",))
        story = await world.story(run)

    assert isinstance(story[-1], RunCompleted)
    assert calls_of(story) == ["mine", "mine"]
    assert not [body for body in story if isinstance(body, ToolCompleted)]
    assert not world.tools.witnessed
    assert [tool.name for tool in world.models.prompts[0].tools] == ["lookup", "mine"]


async def test_a_clients_call_beside_the_agents_own_is_put_off_and_the_model_told_so() -> None:
    async with living() as world:
        world.models.scripts += [
            called(("lookup", '{"q": 1}'), ("mine", '{"q": 2}')),
            called(("mine", '{"q": 2}')),
        ]

        run = await begins(world, client_tools=(MINE,), tools=("lookup",))
        story = await world.story(run)

    ended = [body for body in story if isinstance(body, ToolCompleted)]
    assert sorted((body.state, body.error) for body in ended) == [
        ("denied", DEFERRED),
        ("done", None),
    ]
    assert [name for name, *_ in world.tools.witnessed] == ["lookup"]
    assert calls_of(story) == ["lookup", "mine", "mine"]
    assert isinstance(story[-1], RunCompleted)


async def test_where_there_are_only_the_clients_tools_a_made_up_name_is_its_business() -> None:
    async with living() as world:
        world.models.scripts.append(called(("lookup", "{}")))

        story = await world.story(await begins(world, client_tools=(MINE,)))

    assert calls_of(story) == ["lookup"]
    assert isinstance(story[-1], RunCompleted)
    assert not world.tools.witnessed


async def test_a_call_is_forced_once_and_forbidden_for_ever() -> None:
    async with living() as world:
        for choice in ("required", "none"):
            world.models.scripts.append(called(("lookup", "{}")))
            await world.story(await begins(world, tools=("lookup",), tool_choice=choice))

    choices = [prompt.tool_choice for prompt in world.models.prompts]
    assert choices == ["required", None, "none", "none"]


async def test_a_clients_call_that_was_cut_off_is_incomplete() -> None:
    async with living() as world:
        *deltas, finished = called(("mine", '{"q": '))
        world.models.scripts.append([*deltas, _cut(finished)])

        story = await world.story(await begins(world, client_tools=(MINE,)))

    message = next(body.message for body in story if isinstance(body, MessageCompleted))
    assert message.incomplete
    assert message.tool_calls[0].arguments == '{"q": '


async def test_a_conversation_is_not_kept_once_its_run_has_ended() -> None:
    async with living() as world:
        world.models.scripts.append(said("Hello"))

        run = await begins(world, client_tools=(MINE,))
        await world.story(run)

    row = world.runs._state.runs[run.id]
    assert row.run.status == "completed"
    assert (row.spec.given, row.spec.client_tools) == ((), ())


def _cut(finished: Any) -> Any:
    return type(finished)(reason="length", model="scripted", usage=finished.usage)
