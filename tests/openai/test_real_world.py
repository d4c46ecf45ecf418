"""What users of other servers really hit, on the client's side: cases 1, 2 and 6 to 8."""

import json
from typing import Any

import pytest

from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceUnavailable,
    PolyAgentError,
)
from polyagent.domain.model import TextDelta
from polyagent.ports.models import Models
from polyagent.settings import Price
from tests.model_service import ModelService
from tests.openai.caller import (
    DONE,
    answer,
    ask,
    caller,
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
BARE = (d({"content": "x"}), fin("stop"))
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


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            [usage(prompt_tokens=7, completion_tokens=n) for n in (10, 50, 100)]
            + [fin("stop"), 'data: {"choices":[],"usage":null}'],
            id="running totals, then null",
        ),
        pytest.param(
            [usage(prompt_tokens=7.0, completion_tokens=100.0, total_tokens=107.0), fin("stop")],
            id="floats, before the finish",
        ),
        pytest.param(
            [
                usage(prompt_tokens=7, completion_tokens=100),
                usage(prompt_tokens=-1, completion_tokens=-1, total_tokens=-1),
                fin("stop"),
            ],
            id="minus one",
        ),
        pytest.param(
            [fin("stop"), 'data: {"usage":{"prompt_tokens":7,"completion_tokens":100}}', DONE],
            id="no choices",
        ),
    ],
)
async def test_usage_is_the_last_total(lines: list[str], models: Models) -> None:
    deltas = await answer(models, stub(d({"content": "x"}), *lines))

    spent = end_of(deltas).usage
    assert (spent.input_tokens, spent.output_tokens, spent.total_tokens) == (7, 100, 107)
    assert not spent.estimated


async def test_details_of_usage_are_read(models: Models) -> None:
    told = usage(
        prompt_tokens=7,
        completion_tokens=9,
        prompt_tokens_details={"cached_tokens": 4},
        completion_tokens_details={"reasoning_tokens": 3},
    )

    spent = end_of(await answer(models, stub(d({"content": "x"}), fin("stop"), told))).usage

    assert (spent.cached_input_tokens, spent.reasoning_tokens) == (4, 3)


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 3},
        {"cached_tokens": 4},
        {"cache_read_input_tokens": 4},
        {"prompt_tokens_details": None, "input_tokens_details": {"cached_tokens": 4}},
        {"prompt_tokens_details": {"cached_tokens": 4}, "cached_tokens": None},
    ],
)
async def test_cached_tokens_are_read_under_every_name(
    told: dict[str, Any], models: Models
) -> None:
    told = {"prompt_tokens": 7, "completion_tokens": 1, **told}

    deltas = await answer(models, stub(d({"content": "x"}), fin("stop"), usage(**told)))

    assert end_of(deltas).usage.cached_input_tokens == 4


async def test_thoughts_that_are_counted_beside_the_output_belong_to_it(models: Models) -> None:
    told = usage(
        prompt_tokens=7,
        completion_tokens=1,
        total_tokens=11,
        completion_tokens_details={"reasoning_tokens": 3},
    )

    spent = end_of(await answer(models, stub(d({"content": "x"}), fin("stop"), told))).usage

    assert (spent.output_tokens, spent.reasoning_tokens, spent.total_tokens) == (4, 3, 11)


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [{"delta": {}, "finish_reason": "stop", "usage": {"prompt_tokens": 7}}]},
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 7}}},
        {"choices": [], "usage": {"input_tokens": 7, "output_tokens": 0}},
    ],
)
async def test_usage_is_found_where_services_put_it(last: dict[str, Any], models: Models) -> None:
    lines = [d({"content": "x"}), fin("stop"), "data: " + json.dumps(last)]

    spent = end_of(await answer(models, stub(*lines))).usage

    assert (spent.input_tokens, spent.estimated) == (7, False)


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(input=2.0, output=10.0), 24e-6),
        (Price(input=2.0, output=10.0, cached_input=0.5), 18e-6),
        (Price(input=0.0, output=0.0), 0.0),
    ],
)
async def test_usage_has_its_cost_where_the_model_has_a_price(
    price: Price, cost: float, service: ModelService
) -> None:
    told = usage(prompt_tokens=7, completion_tokens=1, cached_tokens=4)
    lines = stub(d({"content": "x"}), fin("stop"), told)
    async with caller(service.url, prices={"scripted": price}) as models:
        priced = end_of(await answer(models, lines)).usage
        other = end_of(await answer(models, stub(*BARE))).usage

    assert priced.cost == pytest.approx(cost)
    assert other.cost is not None
    assert other.estimated


async def test_a_model_without_a_price_has_no_cost(models: Models) -> None:
    assert end_of(await answer(models, stub(*BARE))).usage.cost is None


async def test_the_price_may_be_of_the_name_that_the_service_answers_with(
    service: ModelService,
) -> None:
    prices = {"scripted": Price(input=1.0, output=1.0)}
    async with caller(service.url, prices=prices) as models:
        deltas = await answer(models, ask("say hi", model="an/alias"))

    assert end_of(deltas).usage.cost == pytest.approx(12e-6)


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
