"""How much, how often, how long: places, retries, the breaker, caps."""

import asyncio

import pytest

from polyagent.adapters.openai.breaker import FAILURES, PAUSE_S
from polyagent.adapters.openai.knowing.catalogue import FRESH_S
from polyagent.domain.errors import ModelServiceUnavailable
from polyagent.ports.models import Models
from tests.model_service import ModelService
from tests.openai.caller import HastyClock, answer, ask, caller, text_of


async def test_no_more_calls_at_once_than_configured(service: ModelService) -> None:
    async with caller(service.url, max_concurrency=1) as models:
        first = models.stream(ask("hold one"))
        await anext(first)
        second = asyncio.ensure_future(answer(models, ask("say two")))
        await asyncio.sleep(0)
        assert service.calls == {"hold one": 1}

        await first.aclose()

        assert text_of(await second) == "two "


async def test_a_place_is_waited_for_no_longer_than_a_first_byte(service: ModelService) -> None:
    clock = HastyClock()
    limits = {"max_concurrency": 1, "first_byte_timeout_s": 0.1}
    async with caller(service.url, clock, **limits) as models:
        first = models.stream(ask("hold one"))
        await anext(first)
        with pytest.raises(ModelServiceUnavailable, match="places"):
            await answer(models, ask("say two"))
        await first.aclose()

    assert clock.slept == []
    assert service.calls == {"hold one": 1}


async def test_a_client_that_leaves_gives_its_place_back(service: ModelService) -> None:
    async with caller(service.url, max_concurrency=1) as models:
        waiting = asyncio.ensure_future(answer(models, ask("hold one")))
        await service.arrived("one")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert text_of(await answer(models, ask("say two"))) == "two "


async def test_a_refused_connection_is_tried_again_with_growing_pauses(nowhere: str) -> None:
    clock = HastyClock()
    async with caller(nowhere, clock, retries=3) as models:
        with pytest.raises(ModelServiceUnavailable, match="could not be reached"):
            await answer(models, ask("say hi"))

    assert len(clock.slept) == 3
    assert all(pause <= most for pause, most in zip(clock.slept, (0.25, 0.5, 1), strict=True))


async def test_the_breaker_spares_waiting_and_closes_with_the_first_answer(
    service: ModelService,
) -> None:
    clock = HastyClock()
    async with caller(service.url, clock, retries=0, first_byte_timeout_s=0.05) as models:
        for _ in range(FAILURES + 1):
            with pytest.raises(ModelServiceUnavailable):
                await answer(models, ask("hang"))
        assert service.calls["hang"] == FAILURES

        await clock.sleep(PAUSE_S)

        assert text_of(await answer(models, ask("say hi"))) == "hi "
        assert text_of(await answer(models, ask("say hi"))) == "hi "


async def test_answers_with_errors_do_not_open_the_breaker(service: ModelService) -> None:
    async with caller(service.url, retries=0) as models:
        for _ in range(FAILURES + 2):
            with pytest.raises(ModelServiceUnavailable):
                await answer(models, ask("fail 503"))

    assert service.calls["fail 503"] == FAILURES + 2


async def test_a_long_retry_after_is_handed_on_instead_of_waited_for(
    service: ModelService,
) -> None:
    clock = HastyClock()
    async with caller(service.url, clock) as models:
        with pytest.raises(ModelServiceUnavailable) as caught:
            await answer(models, ask("fail 429 1 120"))

    assert caught.value.retry_after_s == 120
    assert clock.slept == []


async def test_a_connection_that_the_service_closed_meanwhile_does_no_harm(
    service: ModelService, models: Models
) -> None:
    await answer(models, ask("say one"))
    await service.hang_up()

    deltas = await answer(models, ask("say two"))

    assert text_of(deltas) == "two "


async def test_more_bytes_than_an_answer_may_have_are_an_error(service: ModelService) -> None:
    async with caller(service.url, retries=0) as models:
        stream = models.stream(ask("comments"))
        with pytest.raises(ModelServiceUnavailable, match="bytes"):
            await anext(stream)


async def test_one_trial_serves_the_list_and_the_call_that_needs_it(
    service: ModelService,
) -> None:
    clock = HastyClock()
    unnamed = caller(service.url, clock, model=None, retries=0, first_byte_timeout_s=0.05)
    async with unnamed as models:
        for _ in range(FAILURES):
            with pytest.raises(ModelServiceUnavailable):
                await answer(models, ask("hang"))
        await clock.sleep(FRESH_S + 1)

        assert text_of(await answer(models, ask("say hi"))) == "hi "
