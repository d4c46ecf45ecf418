"""What users of other servers really hit, on the client's side: cases 1, 2, 6 and 8."""

import json

import pytest

from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceUnavailable,
    PolyAgentError,
)
from polyagent.domain.model import TextDelta
from polyagent.ports.models import Models
from tests.model_service import ModelService
from tests.openai.caller import (
    DONE,
    answer,
    ask,
    calls,
    calls_of,
    d,
    end_of,
    fin,
    stub,
    tc,
    text_of,
    thought_of,
    usage,
)


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
async def test_halves_of_an_emoji_in_two_deltas_are_one(field: str, models: Models) -> None:
    lines = [d({field: "a\ud83d"}), d({field: "\ude00b"}), fin("stop"), DONE]

    deltas = await answer(models, stub(*lines))

    assert text_of(deltas) + thought_of(deltas) == "a😀b"


async def test_a_half_that_stays_alone_is_replaced(models: Models) -> None:
    deltas = await answer(models, stub(d({"content": "a\ud83d"}), d({"content": "b"}), fin("stop")))
    last = await answer(models, stub(d({"content": "\ude00a\ud83d"}), fin("stop")))

    assert text_of(deltas) == "a\ufffdb"
    assert text_of(last) == "\ufffda\ufffd"


async def test_halves_in_arguments_are_one(models: Models) -> None:
    pieces = [tc(0, "a", "look", '{"q":"\ud83d'), tc(0, None, None, '\ude00"}')]

    deltas = await answer(models, stub(*calls(*pieces), fin("tool_calls")))

    assert calls_of(deltas) == [("look", '{"q":"😀"}')]


async def test_nul_is_dropped(models: Models) -> None:
    deltas = await answer(models, stub(d({"content": "a\u0000b"}), fin("st\u0000op")))

    assert text_of(deltas) == "ab"
    assert end_of(deltas).raw_reason == "stop"


@pytest.mark.parametrize(
    ("written", "read"), [("lo\0ok", "look"), ("look\ud83d", "look\ufffd"), ("n" * 900, "n" * 200)]
)
async def test_a_name_is_made_fit_to_store(written: str, read: str, models: Models) -> None:
    deltas = await answer(models, stub(*calls(tc(0, "a", written, "{}")), fin("tool_calls")))

    assert calls_of(deltas) == [(read, "{}")]


T = "look"
Q1 = '{"q":"1"}'


async def test_a_clean_end_without_a_finish_is_no_answer(
    service: ModelService, models: Models
) -> None:
    for lines in ([d({"content": "half"})], calls(tc(0, "a", T, '{"q"'))):
        with pytest.raises(ModelServiceBroken):
            await answer(models, stub(*lines))


async def test_an_empty_finish_reason_is_none(models: Models) -> None:
    lines = [d({"content": "x"}, ""), d({"content": "y"}), fin("stop")]

    deltas = await answer(models, stub(*lines))

    assert text_of(deltas) == "xy"


async def test_calls_that_end_with_stop_are_calls(models: Models) -> None:
    deltas = await answer(models, stub(*calls(tc(0, "a", T, Q1)), fin("stop")))

    assert end_of(deltas).reason == "tool_calls"
    assert end_of(deltas).raw_reason == "stop"


@pytest.mark.parametrize("last", [DONE, usage(prompt_tokens=7, completion_tokens=1)])
async def test_done_or_usage_end_an_answer_too(last: str, models: Models) -> None:
    deltas = await answer(models, stub(d({"content": "x"}), last))

    assert end_of(deltas).reason == "stop"
    assert end_of(deltas).raw_reason is None


async def test_a_running_usage_is_no_end(models: Models) -> None:
    told = {"prompt_tokens": 7, "completion_tokens": 1}
    delta = {"choices": [{"delta": {"content": "half"}}], "usage": told}

    with pytest.raises(ModelServiceBroken):
        await answer(models, stub(d({"content": "a "}), "data: " + json.dumps(delta)))


@pytest.mark.parametrize(
    ("said", "reason"), [("content_filter", "content_filter"), ("weird", "other"), ("length",) * 2]
)
async def test_the_reason_is_visible(said: str, reason: str, models: Models) -> None:
    deltas = await answer(models, stub(d({"content": "x"}), fin(said)))

    assert (end_of(deltas).reason, end_of(deltas).raw_reason) == (reason, said)


async def test_content_may_be_a_list_of_parts(models: Models) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    parts = [thinking, {"type": "text", "text": "hi"}, {"type": "new", "x": 1}]

    deltas = await answer(models, stub(d({"content": parts}), fin("stop")))

    assert text_of(deltas) == "hi"
    assert thought_of(deltas) == "hm"


@pytest.mark.parametrize(
    "lines",
    [
        ['data: {"error":{"message":"no capacity","code":502}}'],
        ['event: error\ndata: {"message":"no capacity"}'],
        ['data: {"choices":null}'],
        ['data: {"error":"no capacity"}'],
    ],
)
async def test_an_error_before_the_answer_is_tried_again(
    lines: list[str], service: ModelService, models: Models
) -> None:
    with pytest.raises(ModelServiceUnavailable):
        await answer(models, stub(*lines))

    assert len(service.requests) == 3


async def test_an_error_after_two_deltas_breaks_the_answer(models: Models) -> None:
    failure = 'data: {"error":{"message":"no capacity","code":502}}'
    stream = models.stream(stub(d({"content": "a"}), d({"content": "b"}), failure))
    assert [await anext(stream), await anext(stream)] == [TextDelta("a"), TextDelta("b")]

    with pytest.raises(ModelServiceBroken, match="answered 502"):
        await anext(stream)


async def test_an_error_in_the_stream_may_be_a_refusal(models: Models) -> None:
    told = {"error": {"code": 400, "message": "maximum context length is 512 tokens"}}

    with pytest.raises(ContextExceeded) as caught:
        await answer(models, stub("data: " + json.dumps(told)))

    assert caught.value.window_tokens == 512


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            [": a comment", "data:" + d({"content": "x"})[6:], fin("stop")], id="no space"
        ),
        pytest.param(["\ufeff" + d({"content": "x"}), fin("stop")], id="byte order mark"),
        pytest.param([d({"content": "x"}), 'data: "ping"', "data: 1", fin("stop")], id="pings"),
        pytest.param(['data: {"choices":[]}', d({"content": "x"}), fin("stop")], id="no choices"),
        pytest.param(
            [d(None), d({"content": None, "tool_calls": None}), d({"content": "x"}), fin("stop")],
            id="nulls",
        ),
        pytest.param([d({"content": "x"}) + "\r\n\r\n" + fin("stop") + "\r\n\r"], id="CRLF"),
        pytest.param(
            ['data: {"new":NaN,"choices":[{"delta":{"content":"x"}}]}', fin("stop")], id="NaN"
        ),
        pytest.param(
            ['data: {"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}'], id="whole"
        ),
        pytest.param(
            [d({"content": "x"}), fin("stop"), 'data: {"choi'], id="rubbish after the end"
        ),
    ],
)
async def test_what_services_get_wrong_is_read_all_the_same(
    lines: list[str], models: Models
) -> None:
    deltas = await answer(models, stub(*lines))

    assert text_of(deltas) == "x"


@pytest.mark.parametrize("depth", [900, 100_000])
async def test_json_nested_deep_ends_in_an_error(depth: int, models: Models) -> None:
    bomb = f'data: {{"usage":{"[" * depth}{"]" * depth}}}'

    with pytest.raises(PolyAgentError):
        await answer(models, stub(bomb))


async def test_an_answer_in_one_piece_is_an_answer(service: ModelService, models: Models) -> None:
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": None}

    deltas = await answer(models, ask(f"refuse 200 {json.dumps(whole)}"))

    assert text_of(deltas) == "hi"
