"""What a service refuses is sent otherwise from then on."""

from typing import Any

import msgspec
import pytest

from polyagent.adapters.openai.knowing.habits import Habits
from polyagent.adapters.openai.knowing.lessons import Lesson, lesson_of
from polyagent.domain.chat import ImagePart, TextPart
from polyagent.domain.context import UNSEEN
from polyagent.domain.errors import ModalityUnsupported, ModelServiceRefused
from polyagent.domain.model import Prompt, PromptMessage
from polyagent.domain.response_format import JsonObject, JsonSchema
from tests.model_service import ModelService
from tests.openai.caller import answer, ask, caller, text_of

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
WANTED = msgspec.convert(FORMAT, JsonSchema)
IMAGE = ImagePart(data="AAAA")


def seen(*messages: tuple[TextPart | ImagePart, ...]) -> Prompt:
    return Prompt(messages=tuple(PromptMessage(role="user", parts=parts) for parts in messages))


@pytest.mark.parametrize(
    ("refuses", "sent"),
    [
        ((), [FORMAT]),
        (("json_schema",), [FORMAT, {"type": "json_object"}]),
        (("json_schema", "json_object"), [FORMAT, {"type": "json_object"}, None]),
    ],
)
async def test_a_format_that_is_refused_is_asked_for_in_words(
    refuses: tuple[str, ...], sent: list[Any]
) -> None:
    async with ModelService(refuses=refuses) as service, caller(service.url) as models:
        for _ in range(2):
            assert text_of(await answer(models, ask("say {}", response_format=WANTED))) == "{} "

        formats = [request.get("response_format") for request in service.requests]
        system = [m["content"] for m in service.requests[-1]["messages"] if m["role"] == "system"]

    assert formats == [*sent, sent[-1]]
    assert [text.endswith('"city":{"type":"string"}}}') for text in system] == [True] * bool(
        refuses
    )


async def test_a_service_that_takes_schemas_but_no_plain_json_gets_both_right() -> None:
    async with ModelService(refuses=("json_object",)) as service, caller(service.url) as models:
        await answer(models, ask("say {}", response_format=JsonObject()))
        await answer(models, ask("say {}", response_format=WANTED))

        assert service.requests[1]["messages"][0]["content"].startswith("Answer with one JSON")
        assert service.requests[2]["response_format"] == FORMAT


async def test_the_instruction_stands_behind_the_system_message() -> None:
    system = PromptMessage(role="system", parts=(TextPart("Be kind."),))
    plain = ask("say {}", response_format=WANTED)
    prompt = Prompt(messages=(system, *plain.messages), response_format=WANTED)
    async with ModelService(refuses=("json_schema",)) as service, caller(service.url) as models:
        await answer(models, prompt)

        roles = [message["role"] for message in service.requests[-1]["messages"]]
        told = service.requests[-1]["messages"][0]["content"]

    assert roles == ["system", "user"]
    assert told.startswith("Be kind.\n\nAnswer with JSON")


async def test_a_schema_that_is_refused_teaches_nothing_about_the_next() -> None:
    async with ModelService(refuses=("bad_schema",)) as service, caller(service.url) as models:
        for _ in range(2):
            await answer(models, ask("say {}", response_format=WANTED))

        assert [request["response_format"]["type"] for request in service.requests] == [
            "json_schema",
            "json_object",
        ] * 2


async def test_an_image_for_a_model_without_eyes_is_refused_and_remembered() -> None:
    async with ModelService(refuses=("images",)) as service, caller(service.url) as models:
        before = await models.info(None)
        for _ in range(2):
            with pytest.raises(ModalityUnsupported, match="scripted"):
                await answer(models, seen((TextPart("say what is it"), IMAGE)))
        after = await models.info(None)

        assert len(service.requests) == 1
    assert (before.images, after.images) == (None, False)


async def test_an_image_of_an_earlier_turn_does_no_harm_to_a_model_without_eyes() -> None:
    async with ModelService(refuses=("images",)) as service, caller(service.url) as models:
        deltas = await answer(models, seen((TextPart("Look: "), IMAGE), (TextPart("say hi"),)))

        told = service.requests[-1]["messages"][0]["content"]

    assert text_of(deltas) == "hi "
    assert told == f"Look: {UNSEEN}"


@pytest.mark.parametrize(
    ("said", "blind"),
    [
        ("Invalid content type. image_url is only supported by certain models.", True),
        ("llama-3 is not a multimodal model", True),
        ("At most 0 image(s) may be provided in one prompt.", True),
        ("image input is not supported - hint: you may need to provide the mmproj", True),
        ("unknown variant `image_url`, expected `text`", True),
        ("Image input is not enabled for this model", True),
        ("No endpoints found that support image input", True),
        ("Model does not support images. Please use a model that does.", True),
        ("this model is missing data required for image input", True),
        ("messages[0].content must be a string", True),
        ("The image data you provided does not represent a valid image.", False),
        ("Failed to download image from https://x.example", False),
        ("You uploaded an unsupported image. Supported formats are png and jpeg.", False),
        ("We do not support image/tiff", False),
    ],
)
def test_a_picture_that_is_bad_is_told_from_eyes_that_are_missing(said: str, blind: bool) -> None:
    prompt = seen((TextPart("look"), IMAGE))

    lesson = lesson_of(400, said.encode(), prompt, Habits())

    assert lesson == (Lesson("takes_images") if blind else None)


async def test_the_models_of_one_service_are_learned_of_apart() -> None:
    listed = ModelService(models=("a", "b"), refuses=("images",))
    async with listed as service, caller(service.url, model=None) as models:
        with pytest.raises(ModalityUnsupported):
            await answer(models, seen((TextPart("say hi"), IMAGE)))
        a, b = await models.list()

    assert (a.images, b.images) == (False, None)


async def test_a_refusal_without_a_reason_that_we_know_ends_the_call(
    service: ModelService,
) -> None:
    async with caller(service.url) as models:
        with pytest.raises(ModelServiceRefused):
            await answer(models, ask("refuse 400 {}", response_format=WANTED))

    assert len(service.requests) == 1
