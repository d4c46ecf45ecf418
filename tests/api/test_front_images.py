"""Images in a conversation that the client keeps: all of them come again with each request."""

from base64 import b64encode
from typing import Any

import msgspec

from polyagent.domain.chat import ImagePart, Part, TextPart, text_of
from polyagent.domain.model import ModelInfo
from polyagent.settings import Limits
from polyagent.usecases.images import NOTE
from tests.api.front import asked, error_of, user
from tests.api.house import SETTINGS, House
from tests.images import png_of

SEEN = {"role": "assistant", "content": "I see."}
LIMIT = Limits().images


def shown(*sizes: int) -> dict[str, Any]:
    urls = [f"data:image/png;base64,{b64encode(png_of(size)).decode()}" for size in sizes]
    return user([{"type": "image_url", "image_url": {"url": url}} for url in urls])


def turns(*messages: Any) -> list[Any]:
    return [each for message in messages for each in (message, SEEN)][:-1]


def parts_in(house: House) -> list[Part]:
    messages = house.models.prompts[-1].messages
    return [part for said in messages if said.role == "user" for part in said.parts]


async def test_a_conversation_goes_on_beyond_the_images_that_a_message_may_have(
    house: House,
) -> None:
    long_ago = [shown(1)] * LIMIT
    answers = [
        await asked(house.ann, *turns(*long_ago, shown(1, 1))),
        await asked(house.ann, *turns(*long_ago, shown(*[1] * LIMIT))),
        await asked(house.ann, *turns(*long_ago, shown(1), user("And now?"))),
    ]

    assert [answer.status for answer in answers] == [200] * 3, answers[0].body
    kept = [
        [
            isinstance(part, ImagePart)
            for said in prompt.messages
            for part in said.parts
            if said.role == "user"
        ]
        for prompt in house.models.prompts
    ]
    assert kept[0] == [False] * 2 + [True] * LIMIT
    assert kept[1] == [False] * LIMIT + [True] * LIMIT
    assert kept[2] == [False] + [True] * LIMIT + [False]
    assert parts_in(house)[0] == NOTE


async def test_a_message_with_too_many_images_is_refused_at_the_first_of_them(
    house: House,
) -> None:
    answer = await asked(house.ann, *turns(shown(1), shown(*[1] * (LIMIT + 1))))

    error = error_of(answer, 400, "image_unusable")
    assert error["param"] == f"messages[2].content[{LIMIT}].image_url.url"


async def test_of_images_that_are_too_much_together_the_newest_are_kept() -> None:
    settings = msgspec.structs.replace(SETTINGS, limits=Limits(images_bytes=20_000))
    async with House(settings).open() as house:
        answer = await asked(house.ann, *turns(shown(1), shown(9_000), shown(9_000), shown(9_000)))

        assert answer.status == 200, answer.body
        kept = [isinstance(part, ImagePart) for part in parts_in(house)]
        assert kept == [False, False, True, True]
        error_of(
            await asked(house.ann, *turns(shown(1), shown(*[9_000] * 3))), 400, "image_too_large"
        )


async def test_a_model_without_eyes_is_told_that_there_were_images(house: House) -> None:
    house.models._info = ModelInfo(name="m", service="s", window_tokens=8192, images=False)

    answer = await asked(house.ann, *turns(shown(1), user("And now?")))
    refused = await asked(house.ann, *turns(user(), shown(1)))

    assert answer.status == 200, answer.body
    first, last = parts_in(house)
    assert isinstance(first, TextPart)
    assert "image" in text_of((first,))
    assert last == TextPart("And now?")
    error_of(refused, 400, "modality_unsupported")
