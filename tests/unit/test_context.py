"""What a model is told of a conversation."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.chat import ImagePart, Message, TextPart, text_of
from polyagent.domain.context import estimate_tokens, prompt_messages
from polyagent.domain.ids import new_id
from polyagent.domain.model import PromptMessage
from polyagent.domain.text import clean, clean_json
from polyagent.domain.tool import ToolCall, arguments_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
ENDLESS = "```json" + " " * 100_000 + "x"
DEEP = '{"q":' + "[" * 600 + "]" * 600 + "}"


def message(role: str, content: str, run_id: UUID, *, calls: tuple[ToolCall, ...] = ()) -> Message:
    return Message(
        id=new_id(),
        session_id=None,
        run_id=run_id,
        role=role,  # type: ignore[arg-type]  # tests name roles as they come
        content=content,
        parts=(TextPart(content),) if content else (),
        tool_calls=calls,
        created_at=AT,
    )


def turn(number: int, size: int = 40) -> list[Message]:
    run_id = new_id()
    return [message("user", f"{number} " + "q" * size, run_id), message("assistant", "a", run_id)]


def texts(messages: tuple[PromptMessage, ...]) -> list[str]:
    return [text_of(message.parts) for message in messages]


def test_instructions_come_first_then_history_then_the_run() -> None:
    now = [message("user", "now", new_id())]

    told = prompt_messages("Be brief.", turn(1), now, budget_tokens=1000)

    assert [m.role for m in told] == ["system", "user", "assistant", "user"]


def test_the_oldest_turns_go_first_and_whole() -> None:
    history = [m for n in range(10) for m in turn(n)]
    now = [message("user", "now", new_id())]

    told = texts(prompt_messages(None, history, now, budget_tokens=100))

    assert [text[0] for text in told if "q" in text] == ["7", "8", "9"]


def test_the_run_itself_is_told_even_if_it_does_not_fit() -> None:
    now = [message("user", "x" * 10_000, new_id())]

    told = prompt_messages("Be brief.", turn(1), now, budget_tokens=10)

    assert [m.role for m in told] == ["system", "user"]


def test_a_call_that_never_ended_is_answered_all_the_same() -> None:
    calls = (ToolCall(id="c", name="t", arguments={}, state="started"),)
    run_id = new_id()
    history = [message("user", "q", run_id), message("assistant", "", run_id, calls=calls)]

    told = prompt_messages(None, history, [message("user", "now", new_id())], budget_tokens=999)

    assert [m.role for m in told] == ["user", "assistant", "tool", "user"]
    assert "cancelled" in text_of(told[2].parts)


def test_an_answer_that_is_empty_is_left_out() -> None:
    run_id = new_id()
    history = [message("user", "q", run_id), message("assistant", "", run_id)]

    told = prompt_messages(None, history, [], budget_tokens=999)

    assert [m.role for m in told] == ["user"]


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(0, 2000))
def test_what_is_told_of_the_past_is_always_its_newest_turns(sizes: list[int], budget: int) -> None:
    history = [m for n, size in enumerate(sizes) for m in turn(n, size)]

    told = texts(prompt_messages(None, history, [], budget_tokens=budget))

    every = [m.content for m in history]
    assert told == every[len(every) - len(told) :]
    assert sum(map(estimate_tokens, told)) <= budget or not told


def test_an_image_costs_tokens() -> None:
    image = ImagePart(data="aGk=", media_type="image/png")
    plain = message("user", "look", new_id())
    seen = Message(
        id=new_id(),
        session_id=None,
        run_id=new_id(),
        role="user",
        content="",
        parts=(image,),
        created_at=AT,
    )

    told = prompt_messages(None, [plain, seen], [], budget_tokens=900)

    assert told == ()


@pytest.mark.parametrize(
    ("made_up", "told"),
    [
        ("look", "look"),
        ("", "unnamed"),
        ("functions.look it up", "functions_look_it_up"),
        ("é" * 99, "_" * 64),
    ],
)
def test_a_name_that_a_model_made_up_is_told_as_services_take_it(made_up: str, told: str) -> None:
    call = ToolCall(id="1", name=made_up, arguments={}, state="failed", error="no such tool")
    step = message("assistant", "", new_id(), calls=(call,))

    (assistant, _) = prompt_messages(None, [], [step], budget_tokens=1000)

    assert [call.name for call in assistant.calls] == [told]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        (" ", {}),
        ("null", {}),
        ("{}", {}),
        ('{"q":1}\n', {"q": 1}),
        ('\ufeff{"q":1}', {"q": 1}),
        ('```json\n{"q":1}\n```', {"q": 1}),
        ('"{\\"q\\":1}"', {"q": 1}),
        ('```{"q":1}```', {"q": 1}),
        ("``````", {}),
        ("```", "```"),
        (ENDLESS, ENDLESS),
        ("[]", "[]"),
        ('{"q":', '{"q":'),
        ('{"q": NaN}', '{"q": NaN}'),
        ("7", "7"),
        ('"\\"\\""', {}),
        ("[" * 9000, "[" * 9000),
        (DEEP, DEEP),
        ('{"q": 1e400}', '{"q": 1e400}'),
    ],
)
def test_arguments_are_an_object_or_the_text_that_is_none(text: str, arguments: object) -> None:
    assert arguments_of(text) == arguments


def test_texts_are_made_fit_to_store() -> None:
    assert clean("plain") == "plain"
    assert clean("a\x00b") == "ab"
    assert clean("a\ud83d\ude00b") == "a😀b"
    assert clean("a\ud83db") == "a\ufffdb"
    assert clean_json({"a\x00": ["\ud800", 1, None]}) == {"a": ["\ufffd", 1, None]}


@given(st.text(st.characters(codec=None)))
def test_a_cleaned_text_can_be_stored(text: str) -> None:
    fit = clean(text)

    assert "\x00" not in fit
    assert clean(fit) == fit
    assert fit.encode().decode() == fit
