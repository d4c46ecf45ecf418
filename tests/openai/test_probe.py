"""What is learned of a service without a token, and when."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from polyagent.adapters.openai.breaker import FAILURES
from polyagent.adapters.openai.prober import probing
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.agent import ModelSettings
from polyagent.domain.chat import TextPart
from polyagent.domain.errors import ModalityUnsupported
from polyagent.ports.models import Models
from polyagent.settings import Ai, AiService
from tests.model_service import ModelService
from tests.openai.caller import TOOL, answer, ask, caller, callers
from tests.openai.test_adapting import IMAGE, WANTED, seen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not reached():
            await asyncio.sleep(0)


async def facts_of(models: Models) -> dict[str, Any]:
    return (await models.health()).facts


async def test_the_services_are_looked_at_on_the_start_and_again() -> None:
    async with ModelService() as service, caller(service.url) as models:
        async with probing(models, 0.01):
            await until(lambda: service.listings + service.embeddings >= 2)

        assert not service.requests


async def test_a_service_that_falls_silent_after_a_probe_is_asked_again_once_it_is_back() -> None:
    port = free_port()
    async with ModelService() as spare, AsyncExitStack() as first:
        service = await first.enter_async_context(ModelService(port=port))
        ai = Ai(url=service.url, model="scripted", services=(AiService(url=spare.url),), retries=0)
        async with callers(ai, SystemClock()) as models, probing(models, 3600, 0.01):
            await until(lambda: service.listings > 0)
            await first.aclose()
            for _ in range(FAILURES):
                await answer(models, ask("say hi"))
            assert models.is_one_away

            async with ModelService(port=port) as back:
                await until(lambda: not models.is_one_away)
                await answer(models, ask("say back"))

                assert back.calls["say back"] == 1


async def test_a_service_that_is_away_holds_up_nothing(nowhere: str) -> None:
    async with caller(nowhere) as models:
        async with probing(models, 0.01):
            await asyncio.sleep(0)
        assert not await models.probe()


@pytest.mark.parametrize(
    ("status", "fact"), [(400, True), (422, True), (404, False), (501, False), (429, None)]
)
async def test_whether_embeddings_are_made_is_asked_without_any_input(
    status: int, fact: bool | None
) -> None:
    async with ModelService(embeds_with=status) as service, caller(service.url) as models:
        await models.probe()
        facts = await facts_of(models)
        await models.probe()

        assert service.embeddings == (2 if fact is None else 1)
    assert facts.get("embeddings") is fact


async def test_the_packaged_model_is_not_woken_for_embeddings() -> None:
    async with ModelService(models=("local/smollm2-135m",)) as service:
        async with caller(service.url, model=None) as models:
            await models.probe()

        assert service.embeddings == 0


async def test_health_tells_what_the_list_says() -> None:
    meta = {"n_embd": 768, "n_ctx_train": 4096}
    listed = ModelService(models=[{"id": "m", "meta": meta}])
    async with listed as service, caller(service.url, model=None) as models:
        facts = await facts_of(models)

    assert facts["context_tokens"] == 4096
    assert facts["embedding_widths"] == {"m": 768}


@pytest.mark.parametrize(
    ("fields", "images"),
    [
        ({"architecture": {"input_modalities": ["text", "image"]}}, True),
        ({"architecture": {"input_modalities": ["text"]}}, False),
        ({"capabilities": {"vision": False}}, False),
        ({"capabilities": ["completion"]}, None),
        ({"architecture": None}, None),
    ],
)
async def test_eyes_are_known_where_the_list_tells_of_them(
    fields: dict[str, Any], images: bool | None
) -> None:
    listed = ModelService(models=[{"id": "m", **fields}])
    async with listed as service, caller(service.url, model=None) as models:
        info = await models.info(None)

    assert info.images is images


async def test_health_tells_what_was_taken_and_refused() -> None:
    refusing = ModelService(refuses=("images", "json_schema"))
    async with refusing as service, caller(service.url) as models:
        await answer(models, ask("say hi", tools=(TOOL,)))
        await answer(models, ask("say {}", response_format=WANTED))
        with pytest.raises(ModalityUnsupported):
            await answer(models, seen((TextPart("say hi"), IMAGE)))
        facts = await facts_of(models)

    assert facts["taken"] == ["json_object", "tools", "usage"]
    assert facts["refused"] == {"scripted": ["json_schema", "images"]}


async def test_health_tells_no_names_that_callers_made_up() -> None:
    refusing = ModelService(models=None, refuses=("max_tokens",))
    settings = ModelSettings(max_output_tokens=9)
    async with refusing as service, caller(service.url) as models:
        await answer(models, ask("say hi", model="secret", settings=settings))
        facts = await facts_of(models)

    assert "secret" not in str(facts)
