"""Events as chunks, where things went wrong on the way."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from polyagent.adapters.http.front.chunks import Chunks
from polyagent.adapters.http.front.spelling import Diverged, Spelling
from polyagent.adapters.http.stream import PING, Over
from polyagent.domain.chat import Message, TextPart
from polyagent.domain.event import (
    EPOCH,
    Event,
    EventBody,
    MessageCompleted,
    MessageDelta,
    ReasoningDelta,
    RunCompleted,
    RunResumed,
    RunStarted,
    ToolArgumentsDelta,
    ToolCalled,
)
from polyagent.domain.ids import new_id
from polyagent.domain.usage import Usage

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = new_id()
STARTED = RunStarted(new_id(), 1, 1)
END = RunCompleted(None, Usage())


def whole(text: str, step: int = 1) -> MessageCompleted:
    message = Message(
        id=new_id(),
        session_id=None,
        run_id=RUN,
        role="assistant",
        content=text,
        parts=(TextPart(text),),
        created_at=NOON,
    )
    return MessageCompleted(step, message, "stop")


def say(text: str, step: int = 1) -> MessageDelta:
    return MessageDelta(step, 0, text)


def told(
    *bodies: EventBody | int, live_calls: bool = True, is_formed: bool = False
) -> list[dict[str, Any]]:
    """Return the deltas that are sent for events in a row; a number is the next one's id."""
    chunks = Chunks(str(RUN), 0, "m", live_calls=live_calls, with_usage=False, is_formed=is_formed)
    at, sent = EPOCH + 1, b""
    for body in bodies:
        if isinstance(body, int):
            at = body
            continue
        sent += chunks(Event(id=at, run_id=RUN, at=NOON, body=body))
        at += 1
    frames = [frame.removeprefix("data: ") for frame in sent.decode().split("\n\n")[:-1]]
    decoded = [msgspec.json.decode(frame) for frame in frames if frame != "[DONE]"]
    return [chunk["choices"][0]["delta"] for chunk in decoded]


def spelled(deltas: list[dict[str, Any]]) -> str:
    return "".join(delta.get("content", "") for delta in deltas)


def test_a_takeover_goes_on_where_the_dead_process_was() -> None:
    deltas = told(
        *(STARTED, say("One, "), say("two"), 2 * EPOCH + 1, RunResumed(2, "takeover", 1)),
        *(say("One"), say(", two, three"), whole("One, two, three"), END),
    )

    assert [delta["content"] for delta in deltas if delta.get("content")] == [
        "One, ",
        "two",
        ", three",
    ]


def test_a_takeover_between_two_steps_voids_nothing() -> None:
    deltas = told(
        *(STARTED, say("One"), whole("One"), 2 * EPOCH + 1, RunResumed(2, "takeover", 2)),
        *(say("Two", 2), whole("Two", 2), END),
    )

    assert spelled(deltas) == "One\n\nTwo"


def test_deltas_that_are_missing_are_replaced_by_the_whole() -> None:
    deltas = told(
        *(STARTED, say("One, "), EPOCH + 4, say("three"), say("!"), whole("One, two, three!")),
        *(EPOCH + 9, say("there", 2), say("fore", 2), whole("Hence therefore", 2), END),
    )

    assert [delta["content"] for delta in deltas if delta.get("content")] == [
        "One, ",
        "two, three!",
        "\n\nHence therefore",
    ]


def test_a_journal_without_deltas_tells_the_whole() -> None:
    deltas = told(STARTED, EPOCH + 5, whole("One"), EPOCH + 8, whole("Two", 2), END)

    assert spelled(deltas) == "One\n\nTwo"


def test_an_answer_that_diverges_ends_with_an_error() -> None:
    with pytest.raises(Over) as over:
        told(STARTED, say("One, two"), RunResumed(2, "retry", 1), say("Once"))

    assert b'"code":"run_resumed"' in over.value.last


def test_an_answer_that_is_shorter_the_second_time_ends_with_an_error() -> None:
    with pytest.raises(Over):
        told(STARTED, say("One, two"), RunResumed(2, "retry", 1), say("One"), whole("One"))


def test_a_text_of_a_form_is_held_back_beside_calls_that_are_told() -> None:
    deltas = told(
        *(
            STARTED,
            say("{"),
            RunResumed(2, "retry", 1),
            say("Well"),
            ToolArgumentsDelta(1, "c", "{}", "look"),
        ),
        *(whole("Well"), ToolCalled(1, "c", "look", {}), END),
        is_formed=True,
    )

    assert [delta["content"] for delta in deltas if delta.get("content")] == ["Well"]
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert calls[0]["id"] == "c"


def test_a_text_of_a_form_is_whole_though_its_event_was_cut() -> None:
    cut_short = (say('{"a"'), say(": 1}"), whole('{"a'))

    assert spelled(told(STARTED, *cut_short, END, is_formed=True)) == '{"a": 1}'
    assert spelled(told(STARTED, EPOCH + 7, *cut_short, END, is_formed=True)) == '{"a'


def test_thoughts_are_not_told_twice() -> None:
    thought = ReasoningDelta(1, "Hm.")

    deltas = told(
        STARTED, thought, RunResumed(2, "retry", 1), thought, say("Yes"), whole("Yes"), END
    )

    assert [delta for delta in deltas if "reasoning_content" in delta] == [
        {"reasoning_content": "Hm."}
    ]


def test_a_call_that_is_not_made_again_ends_with_an_error() -> None:
    call = ToolArgumentsDelta(1, "c1", "{", "look")
    with pytest.raises(Over):
        told(STARTED, call, RunResumed(2, "retry", 1), whole("Well"), END)
    with pytest.raises(Over):
        told(
            *(STARTED, call, RunResumed(2, "retry", 1)),
            ToolArgumentsDelta(1, "c2", "{", "other"),
        )


def test_a_call_keeps_the_id_that_the_client_knows() -> None:
    deltas = told(
        *(STARTED, ToolArgumentsDelta(1, "c1", '{"q"', "look"), RunResumed(2, "retry", 1)),
        *(ToolArgumentsDelta(1, "c2", '{"q":', "look"), whole("")),
        *(ToolCalled(1, "c2", "look", {"q": 1}), END),
    )

    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert [piece.get("id") for piece in pieces] == ["c1", None, None, None]
    assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"q":1}'


def test_a_call_whose_pieces_are_missing_is_told_as_a_whole() -> None:
    deltas = told(STARTED, EPOCH + 7, whole(""), ToolCalled(1, "c1", "look", "no object"), END)

    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert "".join(piece["function"]["arguments"] for piece in pieces) == "no object"


def test_silence_is_a_comment() -> None:
    chunks = Chunks(str(RUN), 0, "m", live_calls=True, with_usage=False)

    assert chunks(None) == PING


def test_a_text_that_was_cut_for_its_size_is_taken_for_the_whole() -> None:
    spelling = Spelling()
    spelling.add("One, two")

    assert spelling.finish("One") == ""
    with pytest.raises(Diverged):
        spelling.finish("Two")
