"""The client over real sockets: addresses, keys, proxies, habits, places, the breaker."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from polyagent.adapters.openai.breaker import FAILURES, PAUSE_S
from polyagent.adapters.openai.catalogue import FRESH_S
from polyagent.domain.agent import ModelSettings
from polyagent.domain.chat import ImagePart, TextPart
from polyagent.domain.errors import (
    ModelServiceBroken,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ToolsRefused,
)
from polyagent.domain.model import Prompt, PromptCall, PromptMessage
from polyagent.ports.models import Models
from tests.model_service import ModelService
from tests.openai.caller import TOOL, HastyClock, answer, ask, caller, end_of, text_of


@pytest.fixture
def nowhere() -> str:
    """An address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_the_base_address_may_lack_v1(service: ModelService) -> None:
    async with caller(service.url.removesuffix("/v1")) as models:
        deltas = await answer(models, ask("say hi"))

    assert text_of(deltas) == "hi "


async def test_a_unix_socket_gets_a_fresh_connection_for_each_call(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    async with ModelService(socket=path) as service, caller(f"unix:{path}") as models:
        for _ in range(3):
            await answer(models, ask("say hi"))

        assert service.connections == 3


async def test_a_unix_socket_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with caller(f"unix:{tmp_path}/model.sock") as models:
        with pytest.raises(ModelServiceUnavailable):
            await answer(models, ask("say hi"))


async def test_the_key_is_sent_and_nothing_compressed_is_asked_for() -> None:
    async with ModelService(key="s3cret") as service:
        async with caller(service.url, key="s3cret\n") as models:
            await answer(models, ask("say hi"))

        assert service.headers[0]["authorization"] == "Bearer s3cret"
        assert service.headers[0]["accept-encoding"] == "identity"


async def test_a_wrong_key_is_refused_and_not_repeated() -> None:
    async with ModelService(key="s3cret") as service, caller(service.url, key="wr0ng") as models:
        with pytest.raises(ModelServiceRefused) as caught:
            await answer(models, ask("say hi"))
        health = await models.health()

        assert "key" in caught.value.detail
        assert "wr0ng" not in caught.value.detail
        assert health.status == "down"
        assert "key" in (health.detail or "")


async def test_a_service_that_repeats_the_key_in_an_error_does_not_spread_it(
    service: ModelService,
) -> None:
    async with caller(service.url, key="s3cret") as models:
        with pytest.raises(ModelServiceRefused) as caught:
            await answer(models, ask('refuse 400 {"error":{"message":"bad s3cret"}}'))

    assert "s3cret" not in caught.value.detail


async def test_the_proxy_is_the_configured_one_and_never_the_environments(
    service: ModelService, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", nowhere)
    async with caller(service.url) as models:
        direct = await answer(models, ask("say hi"))
    async with caller(service.url, proxy=nowhere) as models:
        with pytest.raises(ModelServiceUnavailable):
            await answer(models, ask("say hi"))

    assert text_of(direct) == "hi "


async def test_what_a_service_does_not_take_is_left_out_from_then_on() -> None:
    async with ModelService(refuses=("stream_options", "max_tokens")) as service:
        async with caller(service.url) as models:
            for _ in range(2):
                prompt = ask("say hi", settings=ModelSettings(max_output_tokens=9))
                assert text_of(await answer(models, prompt)) == "hi "

        assert len(service.requests) == 4
        assert "stream_options" not in service.requests[-1]
        assert service.requests[-1]["max_completion_tokens"] == 9


async def test_a_service_that_takes_no_tools_is_remembered() -> None:
    async with ModelService(refuses=("tools",)) as service, caller(service.url) as models:
        before = await models.info(None)
        with pytest.raises(ToolsRefused):
            await answer(models, ask("say hi", tools=(TOOL,)))
        after = await models.info(None)

        assert (before.tools, after.tools) == (True, False)
        assert len(service.requests) == 1


async def test_a_strict_service_takes_a_conversation_with_calls_and_images(
    service: ModelService, models: Models
) -> None:
    call = PromptCall(id="call_1", name="look", arguments='{"q":"1"}')
    messages = (
        PromptMessage(role="system", parts=(TextPart("Be kind."),)),
        PromptMessage(role="user", parts=(TextPart("What is it?"), ImagePart(data="AAAA"))),
        PromptMessage(role="assistant", calls=(call,)),
        PromptMessage(role="tool", parts=(TextPart("a cat"),), tool_call_id="call_1"),
    )

    deltas = await answer(models, Prompt(messages=messages, tools=(TOOL,)))

    assert text_of(deltas) == "The tools say: a cat "
    sent = service.requests[0]["messages"]
    assert [message["content"] for message in sent] == [
        "Be kind.",
        [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
        None,
        "a cat",
    ]


async def test_settings_are_sent_under_the_services_names(
    service: ModelService, models: Models
) -> None:
    settings = ModelSettings(temperature=0.5, max_output_tokens=7, seed=1, stop=("x",))

    await answer(models, ask("say hi", settings=settings, response_format={"type": "json_object"}))

    sent = service.requests[0]
    assert (sent["temperature"], sent["max_tokens"], sent["seed"], sent["stop"]) == (
        0.5,
        7,
        1,
        ["x"],
    )
    assert sent["response_format"] == {"type": "json_object"}
    assert "top_p" not in sent
    assert "tools" not in sent


async def test_the_packaged_model_gets_manners_and_no_tools() -> None:
    async with ModelService(models=("local/smollm2-135m",)) as service:
        async with caller(service.url, model=None) as models:
            info = await models.info(None)
            health = await models.health()
            await answer(models, ask("say hi", tools=(TOOL,)))

        sent = service.requests[0]
        assert sent["messages"][0]["role"] == "system"
        assert sent["temperature"] == 0
        assert "tools" not in sent
        assert (info.tools, info.images, info.demonstration) == (False, False, True)
        assert health.status == "ok"
        assert health.facts["demonstration"] is True
        assert "demonstration" in (health.detail or "")


async def test_no_more_calls_at_once_than_configured(service: ModelService) -> None:
    async with caller(service.url, max_concurrency=1) as models:
        first = models.stream(ask("hold one"))
        await anext(first)
        second = asyncio.ensure_future(answer(models, ask("say two")))
        await asyncio.sleep(0)
        assert service.calls == {"hold one": 1}

        await first.aclose()

        assert text_of(await second) == "two "


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
        with pytest.raises((ModelServiceUnavailable, ModelServiceBroken), match="bytes"):
            await anext(stream)


@pytest.fixture
async def unlisted() -> AsyncIterator[ModelService]:
    async with ModelService(models=None) as service:
        yield service


async def test_the_usage_of_a_call_names_the_model_that_answered(models: Models) -> None:
    deltas = await answer(models, ask("say hi", model="an/alias"))

    assert end_of(deltas).model == "scripted"


async def test_a_service_without_a_list_takes_any_name(unlisted: ModelService) -> None:
    async with caller(unlisted.url, model=None) as models:
        info = await models.info("any/model")
        health = await models.health()
        deltas = await answer(models, ask("say hi"))

    assert info.name == "any/model"
    assert info.window_tokens == 8192
    assert health.status == "ok"
    assert text_of(deltas) == "hi "


async def test_https_is_spoken_with_a_service_that_wants_it(service: ModelService) -> None:
    async with caller(service.url.replace("http:", "https:"), retries=0) as models:
        with pytest.raises(ModelServiceUnavailable):
            await answer(models, ask("say hi"))

    assert not service.requests


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
