"""Images in messages: what is taken, what is refused, and what a model without eyes is told."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from polyagent.adapters.memory.outbound import MemoryOutbound
from polyagent.domain.chat import ImagePart, Part, TextPart
from polyagent.domain.context import UNSEEN
from polyagent.domain.errors import (
    FetchTimedOut,
    IdempotencyKeyReused,
    ImageTooLarge,
    ImageUnusable,
    ModalityUnsupported,
)
from polyagent.domain.event import RunCompleted
from polyagent.domain.image import HEAD_BYTES, head_of, size_of
from polyagent.domain.model import ModelInfo
from polyagent.domain.outbound import Fetch, Fetched
from polyagent.domain.run import IdempotencyKey
from polyagent.usecases.images import TakeImages
from tests.images import GIF, JPEG, NO_IMAGES, PNG, WEBP, png_of
from tests.world import IMAGE_LIMITS, WAIT_S, World, living

HERE = "http://pictures.example/a"
KEY = IdempotencyKey(key="k", route="chat", body_hash=b"one")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with living() as world:
        yield world


def data(content: bytes, *, media_type: str | None = None) -> ImagePart:
    return ImagePart(data=b64encode(content).decode(), media_type=media_type)


async def kept(world: World, *parts: Part) -> tuple[Part, ...]:
    """Send a message and return the parts that its session keeps of it."""
    admitted = await world.asks(parts)
    await world.story(admitted.run)
    return (await world.messages(admitted.run.session_id))[0].parts


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (GIF.replace(b"89a", b"87a"), "image/gif"),
        (WEBP, "image/webp"),
    ],
)
async def test_an_image_is_what_its_bytes_say(world: World, content: bytes, kind: str) -> None:
    world.web.pages[HERE] = content

    by_url = await kept(world, ImagePart(url=HERE, media_type="image/x-whatever"))
    by_data = await kept(world, data(content, media_type="image/svg+xml"))

    assert by_url == by_data == (data(content, media_type=kind),)


@pytest.mark.parametrize("content", NO_IMAGES.values(), ids=NO_IMAGES)
async def test_what_is_no_image_is_refused_with_its_place(world: World, content: bytes) -> None:
    world.web.pages[HERE] = content

    for part, place in ((ImagePart(url=HERE), "url"), (data(content), "data")):
        with pytest.raises(ImageUnusable) as refused:
            await world.asks((TextPart("look"), part))
        assert [fault.pointer for fault in refused.value.faults] == [f"#/message/1/{place}"]


async def test_nothing_at_all_is_no_image(world: World) -> None:
    world.web.pages[HERE] = b""

    with pytest.raises(ImageUnusable):
        await world.asks((ImagePart(url=HERE),))


async def test_an_image_has_its_largest_size(world: World) -> None:
    most = IMAGE_LIMITS.bytes_each
    world.web.pages[HERE] = png_of(most + 1)

    assert await kept(world, data(png_of(most)))
    for part in (ImagePart(url=HERE), data(png_of(most + 1))):
        with pytest.raises(ImageTooLarge) as refused:
            await world.asks((part,))
        assert str(most) in refused.value.detail


async def test_the_images_of_a_message_have_their_largest_size(world: World) -> None:
    large = data(png_of(IMAGE_LIMITS.bytes_each))

    assert await kept(world, large, large)
    with pytest.raises(ImageTooLarge) as refused:
        await world.asks((large, large, data(PNG)))
    assert refused.value.faults[0].pointer == "#/message/2/data"


async def test_a_message_has_so_many_images_and_none_is_fetched_of_more(world: World) -> None:
    world.web.pages[HERE] = PNG

    with pytest.raises(ImageUnusable) as refused:
        await world.asks((ImagePart(url=HERE),) * (IMAGE_LIMITS.count + 1))

    assert refused.value.faults[0].pointer == f"#/message/{IMAGE_LIMITS.count}/url"
    assert world.web.asked == []


async def test_images_keep_their_places_among_the_text(world: World) -> None:
    world.web.pages |= {HERE: PNG, f"{HERE}2": GIF}
    one, two = TextPart("first"), TextPart("second")

    parts = await kept(world, one, ImagePart(url=f"{HERE}2"), two, ImagePart(url=HERE))

    assert parts == (
        *(one, data(GIF, media_type="image/gif")),
        *(two, data(PNG, media_type="image/png")),
    )


class Together(MemoryOutbound):
    """Answers once two have asked: the first page is too slow, the other would never end."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []
        self._both = asyncio.Event()

    async def fetch(self, ask: Fetch) -> Fetched:
        self.asked.append(ask)
        if len(self.asked) == 2:
            self._both.set()
        try:
            await self._both.wait()
            if ask.url == HERE:
                raise FetchTimedOut("It is slow.")
            await asyncio.Event().wait()
        finally:
            self.ended.append(ask.url)
        raise AssertionError


async def test_images_are_fetched_side_by_side_and_a_failure_ends_the_others() -> None:
    web = Together()
    take = TakeImages(web, IMAGE_LIMITS)

    async with asyncio.timeout(WAIT_S):
        with pytest.raises(FetchTimedOut) as failed:
            await take((ImagePart(url=f"{HERE}2"), ImagePart(url=HERE)))

    assert failed.value.faults[0].pointer == "#/message/1/url"
    assert sorted(web.ended) == [HERE, f"{HERE}2"]


async def test_a_replay_fetches_nothing_again(world: World) -> None:
    world.web.pages[HERE] = PNG
    first = await world.asks((ImagePart(url=HERE),), key=KEY)
    del world.web.pages[HERE]

    again = await world.asks((ImagePart(url=HERE),), key=KEY)

    assert (again.run.id, again.replayed, again.work) == (first.run.id, True, None)
    assert len(world.web.asked) == 1


async def test_a_key_of_another_ask_is_refused_before_anything_is_fetched(world: World) -> None:
    await world.asks("hi", key=KEY)
    other = IdempotencyKey(key=KEY.key, route=KEY.route, body_hash=b"another")

    with pytest.raises(IdempotencyKeyReused):
        await world.asks((ImagePart(url=HERE),), key=other)

    assert world.web.asked == []


async def test_a_model_without_eyes_is_asked_nothing_and_nothing_is_fetched(world: World) -> None:
    blind(world)

    with pytest.raises(ModalityUnsupported):
        await world.asks((ImagePart(url=HERE),))

    assert world.web.asked == []


async def test_a_session_with_images_goes_on_with_a_model_without_eyes(world: World) -> None:
    admitted = await world.asks((TextPart("look"), data(PNG)))
    await world.story(admitted.run)
    blind(world)

    went_on = await world.asks("and now?", session_id=admitted.run.session_id)
    story = await world.story(went_on.run)

    assert isinstance(story[-1], RunCompleted)
    first = world.models.prompts[-1].messages[1]
    assert first.parts == (TextPart("look"), TextPart(UNSEEN))
    stored = (await world.messages(admitted.run.session_id))[0].parts
    assert stored == (TextPart("look"), data(PNG, media_type="image/png"))


def blind(world: World) -> None:
    world.models._info = ModelInfo(name="blind", service="memory", window_tokens=8192, images=False)


@pytest.mark.parametrize("size", range(40))
def test_base64_is_measured_without_being_read(size: int) -> None:
    content = bytes(range(size))
    text = b64encode(content).decode()

    assert size_of(text) == size
    assert head_of(text) == content[:HEAD_BYTES]
