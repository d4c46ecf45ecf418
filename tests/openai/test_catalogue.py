"""What is known of models, and how a service is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from dishka import Provider, Scope, make_async_container, provide

from polyagent.adapters.openai.client import ModelServiceProbe
from polyagent.adapters.openai.knowing.catalogue import FRESH_S
from polyagent.adapters.openai.provider import OpenAIProvider
from polyagent.domain.errors import ModelServiceMissing, ModelServiceUnavailable, ModelUnknown
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.settings import Ai
from tests.model_service import ModelService
from tests.openai.caller import HastyClock, answer, ask, caller, text_of


class Ground(Provider):
    """What the provider stands on."""

    scope = Scope.APP

    def __init__(self, settings: Ai) -> None:
        super().__init__()
        self._settings = settings

    @provide
    def settings(self) -> Ai:
        return self._settings

    @provide
    def clock(self) -> Clock:
        return HastyClock()


@asynccontextmanager
async def provided(settings: Ai) -> AsyncIterator[tuple[Models, ModelServiceProbe]]:
    container = make_async_container(OpenAIProvider(), Ground(settings))
    try:
        yield await container.get(Models), await container.get(ModelServiceProbe)
    finally:
        await container.close()


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({}, 8192),
        ({"context_length": 4096}, 4096),
        ({"max_model_len": 32768}, 32768),
        ({"meta": {"n_ctx_train": 8192, "n_ctx": 2048}}, 2048),
        ({"meta": {"n_ctx_train": 1024}}, 1024),
        ({"context_length": None, "meta": None}, 8192),
        ({"context_length": "big"}, 8192),
    ],
)
async def test_the_window_is_what_the_service_says(fields: dict[str, Any], window: int) -> None:
    listed = ModelService(models=[{"id": "m", **fields}])
    async with listed as service, caller(service.url, model=None) as models:
        info = await models.info(None)

    assert (info.name, info.window_tokens) == ("m", window)


async def test_the_configured_window_wins(service: ModelService) -> None:
    async with caller(service.url, context_tokens=1000) as models:
        info = await models.info("scripted")

    assert info.window_tokens == 1000


async def test_models_that_are_not_listed_are_unknown_unless_they_are_configured() -> None:
    listed = ModelService(models=("a", "llama:latest"))
    async with listed as service, caller(service.url, model="mine") as models:
        mine = await models.info(None)
        tagged = await models.info("llama")
        with pytest.raises(ModelUnknown, match="a, llama:latest"):
            await models.info("other")
        infos = await models.list()

    assert (mine.name, tagged.name) == ("mine", "llama")
    assert [info.name for info in infos] == ["a", "llama:latest"]


async def test_the_list_is_asked_for_once_by_all_and_again_after_a_while() -> None:
    clock = HastyClock()
    async with ModelService() as service, caller(service.url, clock) as models:
        await asyncio.gather(*(models.info(None) for _ in range(20)))
        await models.list()
        assert service.listings == 1

        await clock.sleep(FRESH_S + 1)
        await models.info(None)

        assert service.listings == 2


async def test_callers_who_meet_share_the_failure_of_the_list() -> None:
    async with ModelService(models=(), lists_with=500) as service, caller(service.url) as models:
        found = await asyncio.gather(*(models.info(None) for _ in range(9)), return_exceptions=True)

        assert all(isinstance(failure, ModelServiceUnavailable) for failure in found)
        assert service.listings == 1


@pytest.mark.parametrize("told", [["odd"], {"data": [{"id": 1}, None]}, {}, []])
async def test_a_list_of_odd_shape_names_no_models(told: Any) -> None:
    async with ModelService(listing=told) as service, caller(service.url) as models:
        info = await models.info("any")

    assert info.name == "any"


async def test_an_old_list_serves_while_the_service_is_away() -> None:
    clock = HastyClock()
    async with ModelService() as service:
        models_of = caller(service.url, clock)
        models = await models_of.__aenter__()
        await models.info(None)
    await clock.sleep(FRESH_S + 1)

    info = await models.info(None)
    health = await models.health()
    await models_of.__aexit__(None, None, None)

    assert info.name == "scripted"
    assert health.status == "down"


async def test_a_service_that_is_away_is_told_without_its_path() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with caller(f"http://127.0.0.1:{port}/secret/v1") as models:
            health = await models.health()
            with pytest.raises(ModelServiceUnavailable):
                await models.info(None)

    assert health.status == "down"
    assert health.facts == {"service": f"127.0.0.1:{port}"}


async def test_the_health_of_a_good_service_tells_its_models(
    service: ModelService, models: Models
) -> None:
    health = await models.health()

    assert health.status == "ok"
    assert health.latency_ms is not None
    assert health.facts["models"] == ["scripted"]


async def test_without_an_address_everything_says_what_to_set() -> None:
    async with provided(Ai()) as (models, probe):
        with pytest.raises(ModelServiceMissing, match="PYTHON_AI_URL"):
            await answer(models, ask("hi"))
        with pytest.raises(ModelServiceMissing):
            await models.info(None)
        with pytest.raises(ModelServiceMissing):
            await models.list()
        health = await probe.check()

    assert health.status == "missing"
    assert "PYTHON_AI_URL" in (health.detail or "")


async def test_the_provider_gives_models_and_their_probe(service: ModelService) -> None:
    async with provided(Ai(url=service.url)) as (models, probe):
        deltas = await answer(models, ask("say hi"))
        health = await probe.check()

    assert text_of(deltas) == "hi "
    assert health.status == "ok"
