"""What a model is told of a conversation."""

import re
import tracemalloc
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.chat import ImagePart, Message, TextPart, text_of
from polyagent.domain.context import Conversation, cost_of, estimate_tokens, prompt_messages
from polyagent.domain.ids import new_id
from polyagent.domain.text import clean, clean_json
from polyagent.domain.tool import ToolCall, arguments_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
ENDLESS = "```json" + " " * 100_000 + "x"
DEEP = '{"q":' + "[" * 600 + "]" * 600 + "}"
WIDE = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\U0001f000-\U0003ffff]")
WRITTEN = (
    "az",
    "à",
    "бя",
    "กฮ",
    "“”",
    "ᄀᇿ",
    "、一鿿",
    "가힣",
    "豈",
    "\U0001f300\U0001faff",
    "\U00020000",
)


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


def talk(
    history: list[Message], steps: list[Message], summary: Message | None = None
) -> Conversation:
    return Conversation(summary=summary, history=tuple(history), steps=tuple(steps))


def test_instructions_come_first_then_history_then_the_run() -> None:
    now = [message("user", "now", new_id())]

    told = prompt_messages("Be brief.", talk(turn(1), now))

    assert [m.role for m in told] == ["system", "user", "assistant", "user"]


def test_a_call_that_never_ended_is_answered_all_the_same() -> None:
    calls = (ToolCall(id="c", name="t", arguments={}, state="started"),)
    run_id = new_id()
    history = [message("user", "q", run_id), message("assistant", "", run_id, calls=calls)]

    told = prompt_messages(None, talk(history, [message("user", "now", new_id())]))

    assert [m.role for m in told] == ["user", "assistant", "tool", "user"]
    assert "cancelled" in text_of(told[2].parts)


def test_an_answer_that_is_empty_is_left_out() -> None:
    run_id = new_id()
    history = [message("user", "q", run_id), message("assistant", "", run_id)]

    told = prompt_messages(None, talk(history, []))

    assert [m.role for m in told] == ["user"]


def test_the_summary_stands_at_the_head_of_the_first_message() -> None:
    summary = message("system", "They met.", new_id())
    now = [message("user", "now", new_id())]

    told = prompt_messages("Be brief.", talk([], now, summary))

    assert [m.role for m in told] == ["system", "user"]
    assert text_of(told[1].parts).endswith("They met.\nEnd of the summary.]\n\nnow")


def test_results_that_are_too_long_are_cut_in_their_middle() -> None:
    calls = tuple(
        ToolCall(id=f"c{n}", name="t", arguments={}, state="done", result=f"begin {'x' * 9000} end")
        for n in range(2)
    )
    step = message("assistant", "", new_id(), calls=calls)

    (_, *results) = prompt_messages(None, talk([], [step]), result_tokens=200)

    assert sum(estimate_tokens(text_of(each.parts)) for each in results) < 250
    for each in results:
        assert text_of(each.parts).startswith('{"result":"begin xx')
        assert text_of(each.parts).endswith('xx end"}')
        assert "characters left out" in text_of(each.parts)


def test_an_image_costs_tokens() -> None:
    image = ImagePart(data="aGk=", media_type="image/png")
    seen = Message(
        id=new_id(),
        session_id=None,
        run_id=new_id(),
        role="user",
        content="",
        parts=(image,),
        created_at=AT,
    )

    assert cost_of(talk([], [seen])) > 1000


@given(st.text(st.sampled_from("".join(WRITTEN))))
def test_a_wide_character_is_a_token_and_four_others_are_one(text: str) -> None:
    wide = len(WIDE.findall(text))

    assert estimate_tokens(text) == wide + -(-(len(text) - wide) // 4)


@pytest.mark.parametrize("script", WRITTEN)
def test_an_estimate_makes_no_object_for_each_character(script: str) -> None:
    text = script * (100_000 // len(script))
    tracemalloc.start()
    try:
        estimate_tokens(text)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 16 * len(text)


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

    (assistant, _) = prompt_messages(None, talk([], [step]))

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
