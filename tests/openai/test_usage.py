"""Tokens spent and what they cost: case 7 of what users of other servers really hit, and around it."""

import json
from typing import Any

import pytest

from polyagent.domain.usage import Price
from polyagent.ports.models import Models
from tests.model_service import ModelService
from tests.openai.caller import DONE, answer, ask, caller, d, end_of, fin, stub, usage

BARE = (d({"content": "x"}), fin("stop"))


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
