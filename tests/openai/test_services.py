"""Several model services that stand in for each other."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from polyagent.adapters.openai.breaker import FAILURES
from polyagent.adapters.openai.knowing.catalogue import RETRY_S
from polyagent.domain.errors import (
    ModelServiceBroken,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ModelUnknown,
)
from polyagent.domain.model import TextDelta
from polyagent.settings import Ai, AiService
from tests.model_service import ModelService
from tests.openai.caller import HastyClock, answer, ask, callers, text_of


@asynccontextmanager
async def two(**first: Any) -> AsyncIterator[tuple[ModelService, ModelService]]:
    async with ModelService(**first) as one, ModelService(models=("spare",)) as spare:
        yield one, spare


def behind(first: ModelService | str, spare: ModelService, **settings: Any) -> Ai:
    """Return the settings that have `spare` stand in for the first."""
    url = first if isinstance(first, str) else first.url
    return Ai(url=url, services=(AiService(url=spare.url),), **settings)


@pytest.mark.parametrize(
    "script",
    [
        "fail 503",
        "fail 500",
        "fail 429",
        "html",
        "html 502",
        "garbage",
        "empty",
        "reset first",
        "hang",
    ],
)
async def test_the_next_service_answers_where_the_first_gives_nothing(script: str) -> None:
    async with two() as (one, spare):
        ai = behind(one, spare, first_byte_timeout_s=0.3)
        async with callers(ai) as models:
            spare.plays(script, "say hi")
            deltas = await answer(models, ask(script))

    assert text_of(deltas) == "hi "
    assert (one.calls[script] > 0, spare.calls[script]) == (True, 1)


async def test_a_service_that_cannot_be_reached_is_passed_by_at_once(nowhere: str) -> None:
    clock = HastyClock()
    async with ModelService() as spare:
        ai = behind(nowhere, spare, model="x")
        async with callers(ai, clock) as models:
            assert text_of(await answer(models, ask("say hi"))) == "hi "

    assert clock.slept == []


async def test_after_the_first_delta_nobody_takes_over() -> None:
    async with two() as (one, spare):
        async with callers(behind(one, spare)) as models:
            stream = models.stream(ask("half"))
            assert await anext(stream) == TextDelta("half ")
            with pytest.raises(ModelServiceBroken):
                await anext(stream)

        assert not spare.requests


async def test_a_refusal_is_no_reason_to_ask_another() -> None:
    async with two() as (one, spare):
        async with callers(behind(one, spare)) as models:
            with pytest.raises(ModelServiceRefused):
                await answer(models, ask("refuse 400 {}"))

        assert not spare.requests


async def test_where_all_are_away_the_one_that_is_back_first_says_when() -> None:
    async with two() as (one, spare):
        ai = behind(one, spare)
        async with callers(ai) as models:
            one.plays("both", "fail 429 9 60")
            spare.plays("both", "fail 429 9 30")
            with pytest.raises(ModelServiceUnavailable) as caught:
                await answer(models, ask("both"))

    assert caught.value.retry_after_s == 30


async def test_a_model_goes_to_the_service_that_lists_it() -> None:
    async with two() as (one, spare):
        ai = Ai(url=one.url, key="first", services=(AiService(url=spare.url, key="second"),))
        async with callers(ai) as models:
            await answer(models, ask("say hi", model="spare"))
            info = await models.info("spare")
            with pytest.raises(ModelUnknown, match="2 model services"):
                await models.info("other")
            with pytest.raises(ModelUnknown):
                await answer(models, ask("say hi", model="other"))

        assert not one.requests
        assert spare.requests[0]["model"] == "spare"
        assert spare.headers[0]["authorization"] == "Bearer second"
        assert f"http://{info.service}/v1" == spare.url


async def test_a_service_that_lists_nothing_takes_any_name() -> None:
    async with two(models=None) as (one, spare):
        async with callers(behind(one, spare)) as models:
            await answer(models, ask("say hi", model="other"))

        assert one.requests[0]["model"] == "other"


async def test_a_service_that_does_not_know_the_model_after_all_is_passed_by() -> None:
    script = 'refuse 404 {"error":{"message":"no such model"}}'
    async with two(models=None) as (one, spare), callers(behind(one, spare)) as models:
        spare.plays(script, "say hi")
        assert text_of(await answer(models, ask(script, model="spare"))) == "hi "


async def test_each_service_is_asked_for_its_own_default() -> None:
    async with two() as (one, spare):
        ai = Ai(url=one.url, model="mine", services=(AiService(url=spare.url, model="theirs"),))
        async with callers(ai) as models:
            spare.plays("fail 503", "say hi")
            await answer(models, ask("fail 503"))

        assert (one.requests[0]["model"], spare.requests[0]["model"]) == ("mine", "theirs")


async def test_a_model_of_a_service_that_is_away_is_unavailable_and_not_unknown(
    nowhere: str,
) -> None:
    async with ModelService() as spare, callers(behind(nowhere, spare)) as models:
        with pytest.raises(ModelServiceUnavailable):
            await answer(models, ask("say hi", model="large"))


async def test_the_lists_are_one_and_the_first_of_a_name_counts(nowhere: str) -> None:
    async with ModelService(models=("a", "b")) as one, ModelService(models=("b", "c")) as two:
        services = (AiService(url=nowhere), AiService(url=two.url))
        async with callers(Ai(url=one.url, services=services)) as models:
            infos = {info.name: info.service for info in await models.list()}

        assert set(infos) == {"a", "b", "c"}
        assert f"http://{infos['b']}/v1" == one.url


async def test_where_none_answers_the_list_is_unavailable(nowhere: str) -> None:
    async with callers(Ai(url=nowhere, services=(AiService(url=nowhere),))) as models:
        with pytest.raises(ModelServiceUnavailable):
            await models.list()
        with pytest.raises(ModelServiceUnavailable):
            await models.info(None)
        health = await models.health()

    assert health.status == "down"


async def test_health_shows_each_service(nowhere: str) -> None:
    async with ModelService() as spare, callers(behind(nowhere, spare)) as models:
        health = await models.health()

    away, good = health.facts["services"]
    assert health.status == "degraded"
    assert health.detail == f"Not answering: {away['service']}."
    assert (away["status"], good["status"], good["models"]) == ("down", "ok", ["scripted"])
    assert health.facts["default_model"] == "scripted"


async def test_a_service_that_fell_silent_is_left_to_the_probe_until_it_answers() -> None:
    clock = HastyClock()
    async with two() as (one, spare):
        ai = behind(one, spare, first_byte_timeout_s=0.05)
        async with callers(ai, clock) as models:
            spare.plays("hang", "say hi")
            await asyncio.gather(*(answer(models, ask("hang")) for _ in range(FAILURES)))
            await clock.sleep(RETRY_S)
            await answer(models, ask("hang"))
            assert one.calls["hang"] == FAILURES

            assert await models.probe()
            await answer(models, ask("say back"))

        assert one.calls["say back"] == 1


async def test_each_service_has_places_of_its_own() -> None:
    async with two() as (one, spare):
        spares = (AiService(url=spare.url, max_concurrency=2),)
        ai = Ai(url=one.url, services=spares, max_concurrency=1, first_byte_timeout_s=0.2)
        async with callers(ai) as models:
            first = models.stream(ask("hold one"))
            await anext(first)

            assert text_of(await answer(models, ask("say two"))) == "two "
            await first.aclose()

        assert spare.calls == {"say two": 1}


async def test_an_old_connection_of_a_dead_service_leads_to_the_next() -> None:
    async with ModelService() as spare:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        one = ModelService(port=port)
        await one.__aenter__()
        async with callers(behind(one, spare)) as models:
            await answer(models, ask("say one"))
            await one.__aexit__(None, None, None)

            assert text_of(await answer(models, ask("say two"))) == "two "
