"""Images in messages, over HTTP: a real image server on 127.0.0.1, which an administrator allows."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from polyagent.domain.chat import ImagePart
from polyagent.domain.model import ModelInfo
from polyagent.settings import Limits, Tools
from tests.api.client import Answer
from tests.api.house import SETTINGS, House, some_id
from tests.images import GIF, PNG, png_of
from tests.web.server import WebServer

CHAT = "/api/v1/chat"
SHORT_S = 0.5


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with WebServer().open() as server:
        server.pages = {
            "/a.png": PNG,
            "/b.gif": GIF,
            "/page": b"<html>",
            "/30MB": png_of(30_000_000),
        }
        yield server


@pytest.fixture
async def house() -> AsyncIterator[House]:
    opened: asyncio.Queue[House] = asyncio.Queue()
    closing = asyncio.Event()
    settings = msgspec.structs.replace(
        SETTINGS,
        tools=Tools(allow_private=("127.0.0.1",)),
        limits=Limits(image_fetch_s=SHORT_S),
    )

    async def live() -> None:
        async with House(settings).open() as house:
            await opened.put(house)
            await closing.wait()

    # one task from beginning to end: the framework's lifespan holds cancel scopes
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield await opened.get()
        closing.set()


def image(url: str) -> dict[str, Any]:
    return {"type": "image", "url": url}


async def shows(house: House, *parts: dict[str, Any], **more: Any) -> Answer:
    text = {"type": "text", "text": "What is it?"}
    return await house.ann.post(CHAT, {"message": [text, *parts], **more.pop("ask", {})}, **more)


async def test_images_by_url_are_fetched_once_and_kept(house: House, server: WebServer) -> None:
    origin = f"http://127.0.0.1:{server.port}"

    answer = await shows(house, image(f"{origin}/a.png"), image(f"{origin}/redirect/302%20/b.gif"))
    session_id = answer.json["session_id"]
    again = await shows(house, ask={"session_id": session_id})

    assert (answer.status, again.status) == (200, 200)
    png, gif = (b64encode(content).decode() for content in (PNG, GIF))
    path = f"/api/v1/chat/sessions/{session_id}/messages"
    kept = (await house.ann.get(path)).json["items"][0]["parts"][1:]
    assert [(part["media_type"], part["data"], part["url"]) for part in kept] == [
        ("image/png", png, None),
        ("image/gif", gif, None),
    ]
    told = house.models.prompts[-1].messages[1].parts[1:]
    assert told == (
        ImagePart(data=png, media_type="image/png"),
        ImagePart(data=gif, media_type="image/gif"),
    )
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("{origin}/page", "image_unusable"),
        ("{origin}/30MB", "image_too_large"),
        ("{origin}/endless", "image_too_large"),
        ("{origin}/absent", "fetch_failed"),
        ("{origin}/status/500", "fetch_failed"),
        ("{origin}/reset", "fetch_failed"),
        ("{origin}/garbage", "answer_unusable"),
        ("{origin}/bomb", "answer_unusable"),
        ("{origin}/loop/", "answer_unusable"),
        ("{origin}/silent", "fetch_timed_out"),
        ("{origin}/slow", "fetch_timed_out"),
        ("{origin}/redirect/302%20http://169.254.169.254/", "address_refused"),
        ("{origin}/redirect/302%20file:///etc/passwd", "address_refused"),
        ("http://169.254.169.254/latest/meta-data/", "address_refused"),
        ("http://10.0.0.1/a.png", "address_refused"),
        ("http://[::1]/a.png", "address_refused"),
        ("http://2130706433/a.png", "address_refused"),
        ("http://localhost/a.png", "address_refused"),
        ("file:///etc/passwd", "address_refused"),
        ("data:image/png;base64,AAAA", "address_refused"),
        ("http://user:password@127.0.0.1/a.png", "address_refused"),
        ("a.png", "address_refused"),
        ("", "address_refused"),
        ("http://127.0.0.1:0/a.png", "address_refused"),
    ],
)
async def test_what_no_image_comes_from_is_refused_with_its_place(
    house: House, server: WebServer, url: str, code: str
) -> None:
    url = url.replace("{origin}", f"http://127.0.0.1:{server.port}")

    problem = (await shows(house, image(url))).as_problem(422, code)

    assert [fault["pointer"] for fault in problem["errors"]] == ["#/message/1/url"]
    assert (await house.ann.get("/api/v1/runs")).json["items"] == []


async def test_data_that_is_no_image_is_refused(house: House) -> None:
    part = {"type": "image", "data": b64encode(b"%PDF").decode(), "media_type": "image/png"}

    problem = (await shows(house, part)).as_problem(422, "image_unusable")

    assert [fault["pointer"] for fault in problem["errors"]] == ["#/message/1/data"]


async def test_too_many_images_are_refused(house: House) -> None:
    part = {"type": "image", "data": b64encode(PNG).decode()}

    problem = (await shows(house, *[part] * 9)).as_problem(422, "image_unusable")

    assert [fault["pointer"] for fault in problem["errors"]] == ["#/message/9/data"]


async def test_an_image_of_a_document_is_not_found(house: House) -> None:
    answer = await shows(house, {"type": "image", "document_id": str(some_id())})

    answer.as_problem(404, "not_found")


async def test_a_model_without_eyes_takes_no_images(house: House, server: WebServer) -> None:
    house.models._info = ModelInfo(name="blind", service="x", window_tokens=8192, images=False)

    answer = await shows(house, image(f"http://127.0.0.1:{server.port}/a.png"))

    answer.as_problem(422, "modality_unsupported")
    assert server.asked == []


@pytest.mark.parametrize("path", [CHAT, f"{CHAT}/stream", "/api/v1/runs"])
async def test_a_replay_answers_although_the_image_is_gone(
    house: House, server: WebServer, path: str
) -> None:
    body = {"message": [image(f"http://127.0.0.1:{server.port}/a.png")]}
    first = await house.ann.post(CHAT, body, idempotency_key="k")
    del server.pages["/a.png"]

    again = await house.ann.post(path, body, idempotency_key="k")

    assert again.status in (200, 202)
    assert again.headers["idempotent-replayed"] == "true"
    assert first.json["run_id"] in again.body.decode()
    assert len(server.asked) == 1


async def test_a_refused_image_keeps_no_key(house: House, server: WebServer) -> None:
    body = {"message": [image(f"http://127.0.0.1:{server.port}/later.png")]}
    (await house.ann.post(CHAT, body, idempotency_key="k")).as_problem(422, "fetch_failed")
    server.pages["/later.png"] = PNG

    again = await house.ann.post(CHAT, body, idempotency_key="k")

    assert again.status == 200
    assert "idempotent-replayed" not in again.headers


async def test_images_of_a_completion_are_fetched_too(house: House, server: WebServer) -> None:
    origin = f"http://127.0.0.1:{server.port}"
    shown = [{"type": "image_url", "image_url": {"url": f"{origin}/b.gif", "detail": "low"}}]
    asked = {"model": "agent/general", "messages": [{"role": "user", "content": shown}]}

    first, again = [
        await house.ann.post("/v1/chat/completions", asked, idempotency_key="k") for _ in range(2)
    ]

    assert (first.status, again.status) == (200, 200)
    assert again.headers["x-run-id"] == first.headers["x-run-id"]
    (prompt,) = house.models.prompts
    assert prompt.messages[-1].parts == (
        ImagePart(data=b64encode(GIF).decode(), media_type="image/gif"),
    )
    assert server.asked == ["GET /b.gif HTTP/1.1"]


async def test_a_completion_leads_to_no_private_address(house: House) -> None:
    url = "http://169.254.169.254/latest/meta-data/"
    shown = [{"type": "image_url", "image_url": {"url": url}}]
    asked = {"model": "scripted", "messages": [{"role": "user", "content": shown}]}

    answer = await house.ann.post("/v1/chat/completions", asked)

    assert answer.status == 400
    assert answer.json["error"]["code"] == "address_refused"
    assert answer.json["error"]["param"] == "messages[0].content[0].image_url.url"
