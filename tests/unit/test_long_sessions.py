"""Sessions that outgrow the model's window: nothing fails, nothing is sent twice in another form."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyagent.adapters.memory.models import ScriptedModels, said
from polyagent.domain.agent import Limits
from polyagent.domain.chat import text_of
from polyagent.domain.compaction import SUMMARISER
from polyagent.domain.context import prompt_cost
from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceRefused,
    ModelServiceUnavailable,
    PolyAgentError,
)
from polyagent.domain.event import ContextCompacted, RunCompleted, RunFailed
from polyagent.domain.model import ModelDelta, ModelInfo, Prompt
from polyagent.domain.response_format import JsonObject
from polyagent.domain.run import Run, RunDefaults
from polyagent.domain.tool import CallContext, ToolResult
from tests.unit.test_client_tools import begins
from tests.world import World, called, living

WINDOW = 2000
INFO = ModelInfo(name="small", service="memory", window_tokens=WINDOW, images=True)


class Rememberer(ScriptedModels):
    """Summarises by keeping the sentences that begin with "Remember"; `summaries` are those requests."""

    def __init__(self, failure: PolyAgentError | None = None, window: int = WINDOW) -> None:
        super().__init__(info=INFO)
        self.summaries: list[Prompt] = []
        self._failure = failure
        self._window = window

    def fails(self, failure: PolyAgentError | None) -> None:
        self._failure = failure

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        if prompt_cost(prompt.messages) > self._window:
            raise ContextExceeded("too long", window_tokens=None)
        if not is_summary(prompt):
            async for delta in super().stream(prompt):
                yield delta
            return
        self.summaries.append(prompt)
        if self._failure is not None:
            raise self._failure
        told = text_of(prompt.messages[-1].parts).replace("\n", " ")
        kept = [f"Remember{rest.split('.')[0]}." for rest in told.split("Remember")[1:]]
        for delta in said(" ".join(dict.fromkeys(kept)) or "Nothing."):
            yield delta


def is_summary(prompt: Prompt) -> bool:
    return text_of(prompt.messages[0].parts) == SUMMARISER


def told(prompt: Prompt) -> str:
    return " ".join(text_of(message.parts) for message in prompt.messages)


async def talks(world: World, *texts: str) -> list[Run]:
    session_id = None
    runs = []
    for text in texts:
        admitted = await world.asks(text, session_id=session_id)
        session_id = admitted.run.session_id
        runs.append(admitted.run)
        assert isinstance((await world.story(admitted.run))[-1], RunCompleted)
    return runs


async def compactions(world: World, runs: list[Run]) -> int:
    stories = [await world.story(run) for run in runs]
    return sum(isinstance(body, ContextCompacted) for story in stories for body in story)


async def test_a_long_session_is_summarised_and_goes_on() -> None:
    models = Rememberer()
    async with living(models=models) as world:
        filler = [f"{n} {'blah ' * 60}" for n in range(40)]
        runs = await talks(world, "Remember that my cat is called Ada.", *filler)

        assert await compactions(world, runs) == len(models.summaries) > 1
        assert "my cat is called Ada" in told(models.prompts[-1])
        assert max(prompt_cost(prompt.messages) for prompt in models.prompts) <= WINDOW
        messages = await world.messages(runs[0].session_id)
        assert "Remember that my cat is called Ada." in [m.content for m in messages]
        summaries = [m for m in messages if m.role == "system"]
        story = [body for run in runs for body in await world.story(run)]
        events = [body for body in story if isinstance(body, ContextCompacted)]
        shown = [event.summary_message_id for event in events]
        assert shown[: len(summaries)] == [message.id for message in summaries]


async def test_the_tokens_of_a_summary_are_the_runs() -> None:
    models = Rememberer()
    async with living(models=models) as world:
        runs = await talks(world, *(f"{n} {'blah ' * 200}" for n in range(9)))
        compacted = [run for run in runs if await compactions(world, [run])]

        usage = (await world.story(compacted[0]))[-1].usage  # type: ignore[union-attr]  # its end
        assert usage.input_tokens == 2


@pytest.mark.parametrize(
    "failure",
    [
        ModelServiceBroken("half"),
        ModelServiceRefused("no"),
        ContextExceeded("too long"),
    ],
)
async def test_a_model_that_gives_no_summary_costs_words_but_no_answer(
    failure: PolyAgentError,
) -> None:
    models = Rememberer(failure)
    async with living(models=models) as world:
        runs = await talks(world, *(f"{n} {'blah ' * 100}" for n in range(20)))

        assert await compactions(world, runs)
        assert "left out" in told(models.prompts[-1])


async def test_a_service_that_is_away_fails_the_run_and_keeps_the_history() -> None:
    models = Rememberer()
    async with living(models=models) as world:
        runs = await talks(world, *(f"{n} {'blah ' * 150}" for n in range(5)))
        models.fails(ModelServiceUnavailable("away"))
        failed = (await world.asks("b " * 2000, session_id=runs[0].session_id)).run
        end = (await world.story(failed))[-1]
        models.fails(None)
        (again,) = await talks_on(world, failed, "and now?")

        assert isinstance(end, RunFailed)
        assert end.retryable
        assert await compactions(world, [again])


async def test_a_window_that_is_smaller_than_we_think_is_found_out() -> None:
    models = Rememberer(window=900)
    async with living(models=models) as world:
        runs = await talks(world, *(f"{n} {'blah ' * 40}" for n in range(20)))

        assert await compactions(world, runs)


async def test_a_request_that_no_window_holds_fails_and_the_session_goes_on() -> None:
    models = Rememberer()
    async with living(models=models) as world:
        admitted = await world.asks("x" * 100_000)
        end = (await world.story(admitted.run))[-1]
        await talks_on(world, admitted.run, "and now?")

        assert isinstance(end, RunFailed)
        assert end.code == "context_exceeded"


async def test_a_request_that_is_too_long_by_far_is_not_even_sent() -> None:
    models = Rememberer(window=1_000_000)
    async with living(models=models) as world:
        run = (await world.asks("x" * 100_000)).run
        end = (await world.story(run))[-1]

        assert isinstance(end, RunFailed)
        assert end.code == "context_exceeded"
        assert models.prompts == []


async def talks_on(world: World, before: Run, text: str) -> list[Run]:
    run = (await world.asks(text, session_id=before.session_id)).run
    assert isinstance((await world.story(run))[-1], RunCompleted)
    return [run]


async def test_a_run_with_many_results_summarises_its_own_steps() -> None:
    models = Rememberer()
    async with living(models=models) as world:
        argument = '{"q": "%s"}' % ("r " * 400)
        for _ in range(6):
            models.scripts.append(called(("lookup", argument)))
        agent = await world.has_agent(name="busy", limits=Limits(max_steps=20))
        run = (await world.asks("Remember to look six times.", agent_id=agent.id)).run
        story = await world.story(run)

        assert isinstance(story[-1], RunCompleted)
        assert any(isinstance(body, ContextCompacted) for body in story)
        assert len(world.tools.witnessed) == 6
        assert max(prompt_cost(prompt.messages) for prompt in models.prompts) <= WINDOW
        assert all("look six times" in told(prompt) for prompt in models.prompts)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 500), st.booleans()), min_size=2, max_size=25))
async def test_what_is_sent_only_grows_at_its_end_between_compactions(
    turns: list[tuple[int, bool]],
) -> None:
    models = Rememberer()
    async with living(models=models) as world:
        session_id = None
        for words, calls in turns:
            if calls:
                models.scripts.append(called(("calculator", '{"q": "1"}')))
            run = (await world.asks("blah " * words, session_id=session_id)).run
            session_id = run.session_id
            assert isinstance((await world.story(run))[-1], RunCompleted)
        grown = [*zip(models.prompts, models.prompts[1:], strict=False)]
        broken = [
            (old, new)
            for old, new in grown
            if new.messages[: len(old.messages)] != old.messages or new.tools != old.tools
        ]
        assert len(broken) <= len(models.summaries)


async def big(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
    return ToolResult(state="done", result="x " * 1500)


async def test_a_run_that_summarised_its_own_steps_is_remembered_with_its_request() -> None:
    models = Rememberer()
    async with living(models=models) as world:
        world.tools.add("big", big)
        agent = await world.has_agent(tools=("big",))
        models.scripts += [*(called(("big", "{}")) for _ in range(6)), said("done")]
        first = (await world.asks("Remember my name is Zaphod.", agent_id=agent.id)).run
        assert any(isinstance(body, ContextCompacted) for body in await world.story(first))

        await talks_on(world, first, "What is my name?")

        assert "Zaphod" in told(models.prompts[-1])


@pytest.mark.parametrize("instructions", [10, 4000])
async def test_a_result_that_no_window_holds_is_cut_however_long_the_instructions(
    instructions: int,
) -> None:
    async def huge(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
        return ToolResult(state="done", result="x " * 20_000)

    models = Rememberer()
    async with living(models=models) as world:
        world.tools.add("huge", huge)
        agent = await world.has_agent(tools=("huge",), instructions="i" * instructions)
        models.scripts.append(called(("huge", "{}")))

        run = (await world.asks("go", agent_id=agent.id)).run

        assert isinstance((await world.story(run))[-1], RunCompleted)


@pytest.mark.parametrize("results", [["x " * 20_000], ["x " * 700] * 7])
async def test_the_agents_own_results_fit_into_a_conversation_that_a_client_brought(
    results: list[str],
) -> None:
    left = list(results)

    async def some(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
        return ToolResult(state="done", result=left.pop())

    models = Rememberer()
    async with living(models=models) as world:
        world.tools.add("some", some)
        models.scripts += [called(("some", "{}")) for _ in results]

        run = await begins(world, tools=("some",))

        assert isinstance((await world.story(run))[-1], RunCompleted)


class Talkative(Rememberer):
    """Summarises in more words than its answers may have."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        deltas = said("word " * 240) if is_summary(prompt) else said("ok")
        for delta in deltas:
            yield delta


async def test_a_summary_takes_nothing_from_what_the_answer_may_have() -> None:
    async with living(models=Talkative()) as world:
        agent = await world.has_agent(tools=(), limits=Limits(max_output_tokens=200))
        session_id, compacted = None, 0
        for n in range(8):
            asked = f"{n} {'blah ' * 300}"
            run = (await world.asks(asked, agent_id=agent.id, session_id=session_id)).run
            session_id = run.session_id
            assert isinstance((await world.story(run))[-1], RunCompleted)
            compacted += await compactions(world, [run])

        assert compacted


async def test_an_answer_of_a_wrong_form_is_no_part_of_a_summary() -> None:
    models = Rememberer()
    defaults = RunDefaults(max_steps=8, max_output_tokens=100_000, timeout_s=60)
    async with living(models=models, defaults=defaults) as world:
        (first,) = await talks(world, "Remember the key. " + "foo " * 900)
        bad = said("not json " * 600)
        models.scripts += [bad, bad, said('{"a":1}')]
        run = (
            await world.asks(
                "And now? " + "foo " * 300,
                session_id=first.session_id,
                response_format=JsonObject(),
            )
        ).run
        story = await world.story(run)
        messages = await world.messages(first.session_id)

        assert isinstance(story[-1], RunCompleted)
        compacted = [body for body in story if isinstance(body, ContextCompacted)]
        assert len(compacted) <= 1
        assert [m.role for m in messages].count("system") == len(compacted)
