"""Events as clients see them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from polyagent.domain.chat import Message, TextPart
from polyagent.domain.event import (
    MAX_BYTES,
    Event,
    EventBody,
    MessageCompleted,
    MessageDelta,
    RunFailed,
    ToolCalled,
    ToolCompleted,
)
from polyagent.domain.ids import new_id
from polyagent.domain.tool import ToolCall

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LONG = 1_500_000


def wire(body: EventBody) -> tuple[bytes, dict[str, Any]]:
    event = Event(id=10_000_001, run_id=new_id(), session_id=new_id(), at=NOON, body=body)
    encoded = event.wire
    return encoded, json.loads(encoded)


def answer(text: str, *calls: ToolCall) -> MessageCompleted:
    message = Message(
        id=new_id(),
        session_id=new_id(),
        run_id=new_id(),
        role="assistant",
        content=text,
        parts=(TextPart(text),),
        tool_calls=calls,
        created_at=NOON,
    )
    return MessageCompleted(1, message)


def test_an_event_is_its_envelope_and_its_body_in_one_object() -> None:
    _, told = wire(MessageDelta(1, 0, "hi"))

    assert {"type": "message.delta", "step": 1, "part": 0, "text": "hi"}.items() <= told.items()
    assert {"id", "run_id", "session_id", "path", "at"} < set(told)
    assert "truncated" not in told


@pytest.mark.parametrize("text", ["x" * LONG, "é" * LONG, "\U0001f600" * LONG, "\x01" * LONG])
def test_a_long_text_is_cut_and_marked(text: str) -> None:
    encoded, told = wire(answer(text))

    assert MAX_BYTES // 3 < len(encoded) <= MAX_BYTES
    assert told["truncated"] is True
    message = told["message"]
    assert message["content"] == message["parts"][0]["text"]
    assert text.startswith(message["content"])
    assert message["content"]


def test_only_the_longest_texts_are_cut() -> None:
    short = ToolCall(id="c1", name="look", arguments={"q": "short" * 1000}, result={"a": [1, 2]})

    _, told = wire(answer("x" * LONG, short))

    (call,) = told["message"]["tool_calls"]
    assert call["arguments"] == short.arguments
    assert call["result"] == short.result


@pytest.mark.parametrize(
    "result",
    [
        "x" * LONG,
        {"deep": [{"text": "x" * LONG}]},
        ["x" * 1000] * 2000,
        [0] * LONG,
        {"k" * LONG: 1},
    ],
)
def test_a_large_result_is_cut_whatever_it_is_made_of(result: Any) -> None:
    encoded, told = wire(ToolCompleted("c1", "done", result))

    assert len(encoded) <= MAX_BYTES
    assert (told["truncated"], told["tool_call_id"], told["state"]) == (True, "c1", "done")
    assert told["result"]


def test_an_answer_of_very_many_calls_is_cut() -> None:
    calls = [ToolCall(id=f"call_{n}", name="look", arguments={}) for n in range(10_000)]

    encoded, told = wire(answer("see", *calls))

    assert len(encoded) <= MAX_BYTES
    assert told["message"]["tool_calls"][0]["id"] == "call_0"
    assert told["message"]["content"] == "see"


def test_large_arguments_and_errors_are_cut() -> None:
    for body in (
        ToolCalled(1, "c1", "look", {"q": "x" * LONG}),
        ToolCalled(1, "c1", "look", "x" * LONG),
        ToolCompleted("c1", "failed", None, "x" * LONG),
        RunFailed("tool_failed", "x" * LONG),
    ):
        encoded, told = wire(body)

        assert len(encoded) <= MAX_BYTES
        assert told["truncated"] is True
        assert told["type"] == body.__struct_config__.tag


def test_what_fits_is_left_alone_to_the_last_byte() -> None:
    room = MAX_BYTES - len(wire(RunFailed("c", ""))[0])

    just, told = wire(RunFailed("c", "x" * room))
    over, cut = wire(RunFailed("c", "x" * (room + 1)))

    assert (len(just), "truncated" in told) == (MAX_BYTES, False)
    assert cut["truncated"] is True
    assert len(over) <= MAX_BYTES
