"""The client over real sockets: addresses, keys, proxies, and what is sent."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from polyagent.domain.agent import ModelSettings
from polyagent.domain.chat import ImagePart, TextPart
from polyagent.domain.errors import (
    ModelServiceRefused,
    ModelServiceUnavailable,
    ToolsRefused,
)
from polyagent.domain.model import Prompt, PromptCall, PromptMessage
from polyagent.domain.response_format import JsonObject
from polyagent.ports.models import Models
from tests.model_service import CERTIFICATE, ModelService
from tests.openai.caller import TOOL, answer, ask, caller, end_of, stub, text_of


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
    whole, streamed = (
        ask('refuse 400 {"error":{"message":"bad s3cret"}}'),
        stub('data: {"error":{"code":400,"message":"bad s3cret"}}'),
    )
    async with caller(service.url, key="s3cret") as models:
        for prompt in (whole, streamed):
            with capture_logs() as logged, pytest.raises(ModelServiceRefused) as caught:
                await answer(models, prompt)

            assert "s3cret" not in caught.value.detail
            assert [line["said"] for line in logged] == ["bad [...]"]


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

    await answer(models, ask("say hi", settings=settings, response_format=JsonObject()))

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


async def test_a_certificate_of_ones_own_is_trusted_once_it_is_named() -> None:
    async with ModelService(tls=True) as service:
        async with caller(service.url) as models:
            with pytest.raises(ModelServiceUnavailable, match="certificate"):
                await answer(models, ask("say hi"))
        async with caller(service.url, ca_file=str(CERTIFICATE)) as models:
            deltas = await answer(models, ask("say hi"))

    assert text_of(deltas) == "hi "


async def test_https_is_spoken_with_a_service_that_wants_it(service: ModelService) -> None:
    async with caller(service.url.replace("http:", "https:"), connect_timeout_s=0.2) as models:
        with pytest.raises(ModelServiceUnavailable):
            await answer(models, ask("say hi"))

    assert not service.requests
