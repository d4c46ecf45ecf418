"""Each word of the scripted service, through the client."""

import pytest
from structlog.testing import capture_logs

from polyagent.domain.agent import ModelSettings
from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ModelUnknown,
)
from polyagent.domain.model import TextDelta
from polyagent.ports.models import Models
from tests.model_service import ModelService
from tests.openai.caller import (
    HastyClock,
    answer,
    ask,
    caller,
    calls_of,
    end_of,
    text_of,
    thought_of,
)


async def test_a_plain_answer_comes_in_deltas_with_usage(models: Models) -> None:
    deltas = await answer(models, ask("hello"))

    assert text_of(deltas) == "You said: hello "
    assert len(deltas) > 2
    assert end_of(deltas).reason == "stop"
    assert end_of(deltas).model == "scripted"
    assert end_of(deltas).usage.total_tokens == 12
    assert not end_of(deltas).usage.estimated


async def test_thoughts_come_beside_the_answer(models: Models) -> None:
    deltas = await answer(models, ask("think deep thoughts"))

    assert thought_of(deltas) == "deep thoughts "
    assert text_of(deltas) == "I thought about it."


async def test_two_calls_come_with_their_arguments(models: Models) -> None:
    deltas = await answer(models, ask('calls look {"q":"1"} ; see {"q":"2"}'))

    assert calls_of(deltas) == [("look", '{"q":"1"}'), ("see", '{"q":"2"}')]
    assert end_of(deltas).reason == "tool_calls"


async def test_a_long_answer_arrives_whole(models: Models) -> None:
    deltas = await answer(models, ask("long 2000"))

    assert text_of(deltas) == "".join(f"w{n} " for n in range(2000))


async def test_without_usage_it_is_estimated(models: Models) -> None:
    deltas = await answer(models, ask("nousage twelve chars"))

    spent = end_of(deltas).usage
    assert spent.estimated
    assert (spent.input_tokens, spent.output_tokens, spent.total_tokens) == (5, 3, 8)


async def test_done_may_be_missing(models: Models) -> None:
    deltas = await answer(models, ask("nodone"))

    assert text_of(deltas) == "no done"
    assert end_of(deltas).usage.total_tokens == 12


async def test_bad_utf8_becomes_replacement_characters(models: Models) -> None:
    deltas = await answer(models, ask("badutf8"))

    assert text_of(deltas) == "a\ufffd\ufffdb"


@pytest.mark.parametrize("script", ["fail 429", "fail 500", "fail 503", "html", "html 502"])
async def test_what_may_pass_is_tried_again_and_then_unavailable(
    script: str, service: ModelService, models: Models
) -> None:
    with pytest.raises(ModelServiceUnavailable) as caught:
        await answer(models, ask(script))

    assert service.calls[script] == 3
    assert "10.0.0.1" not in caught.value.detail


@pytest.mark.parametrize("script", ["garbage", "empty", "gzipbomb", "reset first", "endless"])
async def test_no_sense_as_a_first_answer_is_tried_again(
    script: str, service: ModelService, models: Models
) -> None:
    with pytest.raises(ModelServiceUnavailable):
        await answer(models, ask(script))

    assert service.calls[script] == 3


@pytest.mark.parametrize("status", ["429", "500", "503"])
async def test_an_answer_after_a_failure_is_an_answer(
    status: str, service: ModelService, models: Models
) -> None:
    deltas = await answer(models, ask(f"fail {status} 2"))

    assert text_of(deltas) == "It works again. "
    assert service.calls[f"fail {status} 2"] == 3


@pytest.mark.parametrize("script", ["half", "reset"])
async def test_what_breaks_off_is_broken_and_not_called_again(
    script: str, service: ModelService, models: Models
) -> None:
    stream = models.stream(ask(script))
    assert await anext(stream) == TextDelta("half ")

    with pytest.raises(ModelServiceBroken):
        await anext(stream)

    assert service.calls[script] == 1


@pytest.mark.parametrize("script", ["hang", "drip"])
async def test_silence_before_the_answer_ends_at_the_first_byte_deadline(
    script: str, service: ModelService
) -> None:
    async with caller(service.url, first_byte_timeout_s=0.2, retries=1) as models:
        with pytest.raises(ModelServiceUnavailable):
            await answer(models, ask(script))

    assert service.calls[script] == 2


async def test_silence_in_the_answer_ends_at_the_idle_deadline(service: ModelService) -> None:
    async with caller(service.url, idle_timeout_s=0.2) as models:
        with pytest.raises(ModelServiceBroken):
            await answer(models, ask("hang one"))

    await service.left("hang one")


async def test_an_answer_that_takes_too_long_ends_at_the_total_deadline(
    service: ModelService,
) -> None:
    async with caller(service.url, total_timeout_s=0.4) as models:
        with pytest.raises(ModelServiceBroken):
            await answer(models, ask("slow 10000 20"))


async def test_a_service_that_ignores_the_limit_of_tokens_is_cut_off(
    service: ModelService, models: Models
) -> None:
    deltas = await answer(models, ask("flood", settings=ModelSettings(max_output_tokens=500)))

    assert end_of(deltas).reason == "length"
    await service.left("flood")


async def test_closing_the_iterator_ends_the_call(service: ModelService, models: Models) -> None:
    stream = models.stream(ask("hold door"))
    assert await anext(stream) == TextDelta("holding ")

    await stream.aclose()

    await service.left("hold door")


async def test_a_held_answer_goes_on_when_it_is_released(
    service: ModelService, models: Models
) -> None:
    stream = models.stream(ask("hold door"))
    heard = [await anext(stream)]
    await service.arrived("door")

    service.release("door")
    heard += [delta async for delta in stream]

    assert text_of(heard) == "holding released"


async def test_the_connection_is_used_again(service: ModelService, models: Models) -> None:
    for n in range(5):
        await answer(models, ask(f"say {n}"))

    assert service.connections == 1


@pytest.mark.parametrize(
    ("body", "window"),
    [
        (
            '{"error":{"message":"This model\'s maximum context length is 4,096 tokens. However",'
            '"code":"context_length_exceeded"}}',
            4096,
        ),
        (
            '{"error":{"code":400,"type":"exceed_context_size_error","n_prompt_tokens":9000,'
            '"n_ctx":2048,"message":"the request exceeds the available context size"}}',
            2048,
        ),
        ('{"error":{"message":"prompt is too long"}}', None),
    ],
)
async def test_a_prompt_that_is_too_long_is_told_with_the_window(
    body: str, window: int | None, service: ModelService, models: Models
) -> None:
    with pytest.raises(ContextExceeded) as caught:
        await answer(models, ask(f"refuse 400 {body}"))

    assert caught.value.window_tokens == window
    assert (await models.info("scripted")).window_tokens == (window or 8192)
    assert len(service.requests) == 1


async def test_other_refusals_are_not_tried_again(service: ModelService, models: Models) -> None:
    body = (
        '{"error":{"message":"no\\u0000 temperature, see https://x.example/y?key=sk-123456789 "}}'
    )

    with capture_logs() as logged, pytest.raises(ModelServiceRefused) as caught:
        await answer(models, ask(f"refuse 400 {body}"))

    assert "temperature" not in caught.value.detail
    assert len(service.requests) == 1
    assert [(line["log_level"], line["said"]) for line in logged] == [
        ("warning", "no temperature, see [...]")
    ]


async def test_a_model_that_the_service_does_not_know_is_unknown(models: Models) -> None:
    body = '{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}'

    with pytest.raises(ModelUnknown):
        await answer(models, ask(f"refuse 404 {body}"))


async def test_retry_after_is_honoured_up_to_ten_seconds(service: ModelService) -> None:
    clock = HastyClock()
    async with caller(service.url, clock) as models:
        await answer(models, ask("fail 429 1"))

    assert clock.slept == [1.0]
