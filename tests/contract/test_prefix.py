"""What is sent to a model only grows at its end, whoever goes on with a session and however that is stored."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from polyagent.domain.chat import Message, TextPart
from polyagent.domain.context import Conversation, json_text, prompt_messages
from polyagent.domain.response_format import JsonSchema, NamedSchema
from polyagent.domain.run import NewRun, Spec, StepRecord, Work
from polyagent.domain.tool import Effect, Tool, ToolCall, ToolResult
from tests.contract.office import Office, final, finished, step
from tests.contract.offices import memory_office, postgres_office

Way = Literal["here", "queued", "taken over"]
Asked = tuple[dict[str, Any], Any]
"""The arguments of a call, and its result."""
Turn = tuple[Way, dict[str, Any], list[Asked]]
"""How a run is executed, the properties of the schemas that it has, and its calls."""

KEYS = st.sampled_from(["z", "a", "bb", "aa", "B", "", "10", "9", "é", "\u4e2d", "a b", '"'])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)
TURNS: st.SearchStrategy[list[Turn]] = st.lists(
    st.tuples(
        st.sampled_from(["here", "queued", "taken over"]),
        st.dictionaries(KEYS, st.just({"type": "string"}), max_size=5),
        st.lists(st.tuples(OBJECTS, VALUES), max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@given(TURNS)
def test_what_is_sent_only_grows_at_its_end_in_memory(turns: list[Turn]) -> None:
    asyncio.run(_talks(memory_office(), turns))


@settings(max_examples=25, deadline=None)
@given(TURNS)
def test_what_is_sent_only_grows_at_its_end_in_postgres(
    postgres_url: str, turns: list[Turn]
) -> None:
    asyncio.run(_talks(postgres_office(postgres_url), turns))


async def _talks(opened: AbstractAsyncContextManager[Office], turns: Sequence[Turn]) -> None:
    async with opened as office:
        sent: list[str] = []
        session_id = None
        for way, properties, asked in turns:
            spec = _spec(properties)
            work = await _begins(office, way, office.new(session_id=session_id, spec=spec))
            session_id = work.run.session_id
            sent = _grown(sent, work, work.steps)
            record = _asking(work, asked)
            told = await _calls(office, work, record, [result for _, result in asked])
            sent = _grown(sent, work, (*work.steps, told))
            if way == "taken over":
                work = await office.takes_over(work)
                sent = _grown(sent, work, work.steps)
            assert json_text(work.spec) == json_text(spec)
            await office.journal.commit_step(work.lease, final(work, "so", begin=100, done=2))
        history = await office.history(session_id)
        assert session_id is not None
        async with office.store.begin(office.alice) as tx:
            fork = await tx.sessions.fork(session_id, history[-1].id)
        assert _texts(await office.history(fork.id)) == _texts(history)


def _spec(properties: dict[str, Any]) -> Spec:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Spec(
        parts=(TextPart("hello"),),
        response_format=JsonSchema(NamedSchema(name="it", schema=schema)),
        client_tools=(Tool(name="look", description="Looks.", parameters=schema),),
    )


async def _begins(office: Office, way: Way, new: NewRun) -> Work:
    if way != "queued":
        work = (await office.admits(new)).work
        assert work is not None
        return work
    await office.admits(new, background=True)
    (work,) = await office.claims(queued=[new.id])
    return work


def _asking(work: Work, asked: Sequence[Asked]) -> StepRecord:
    effects: list[Effect] = ["read"] * len(asked)
    record = step(work, "let me see", *effects)
    calls = tuple(
        replace(call, arguments=arguments)
        for call, (arguments, _) in zip(record.calls, asked, strict=True)
    )
    assert record.message is not None
    return replace(record, calls=calls, message=replace(record.message, tool_calls=calls))


async def _calls(office: Office, work: Work, record: StepRecord, results: Sequence[Any]) -> Message:
    """Make the calls of a step, and return its message as whoever made them tells it."""
    await office.journal.commit_step(work.lease, record)
    made: list[ToolCall] = []
    for n, (call, value) in enumerate(zip(record.calls, results, strict=True)):
        result = ToolResult(state="done", result=value)
        await office.journal.start_call(work.lease, call.id)
        event = finished(work, call, 10 + n, result)
        await office.journal.finish_call(work.lease, call.id, result, event)
        made.append(replace(call, state="done", result=value))
    assert record.message is not None
    return replace(record.message, tool_calls=tuple(made))


def _grown(before: list[str], work: Work, steps: Sequence[Message]) -> list[str]:
    sent = _texts((*work.history, *steps))
    assert sent[: len(before)] == before
    return sent


def _texts(said: Sequence[Message]) -> list[str]:
    return [*map(json_text, prompt_messages(None, Conversation(history=tuple(said))))]
