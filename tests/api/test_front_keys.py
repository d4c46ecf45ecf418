"""Idempotency keys at the OpenAI front, when what their runs stood on is there no more."""

from typing import Any

import pytest

from polyagent.domain.errors import ModelServiceMissing, ModelUnknown
from polyagent.domain.model import ModelInfo
from tests.api.front import LOOK, asked, chunks_of, error_of, spelled, user
from tests.api.house import House


@pytest.mark.parametrize(
    "change",
    [
        {"status": "archived"},
        {"status": "inactive"},
        {"name": "other"},
        {"tools": ["calculator"]},
        {"model": "gone"},
        None,
    ],
)
async def test_a_key_still_stands_for_its_run_when_what_it_stood_on_is_gone(
    house: House, change: Any
) -> None:
    agent = await house.agent(house.ann)
    path = f"/api/v1/agents/{agent['id']}"
    ask: Any = {"model": "agent/helper", "tools": [{**LOOK, "function": {"name": "calculator"}}]}
    first = await asked(house.ann, key="k", **ask)

    if change is None:
        await house.ann.request("DELETE", path)
    else:
        await house.ann.request("PATCH", path, json=change)
    house.models.known = frozenset({"scripted"})
    again = await asked(house.ann, key="k", **ask)
    stream = await asked(house.ann, key="k", stream=True, **ask)
    fresh = await asked(house.ann, key="another", **ask)
    reused = await asked(house.ann, user("else"), key="k", **ask)

    assert again.json == first.json
    assert stream.headers["x-run-id"] == first.headers["x-run-id"]
    assert spelled(chunks_of(stream.body)) == "You said: hi"
    assert fresh.status in (400, 404), fresh.body
    error_of(reused, 400, "idempotency_key_reused")


async def test_a_key_still_stands_for_its_run_when_its_model_is_gone(house: House) -> None:
    chat = {"message": "hi", "model": "scripted"}
    first = await asked(house.ann, key="k")
    said_first = await house.ann.post("/api/v1/chat", chat, idempotency_key="k")
    for gone in (ModelUnknown("There is none."), ModelServiceMissing("There is none.")):
        house.models.lost = gone

        again = await asked(house.ann, key="k")
        said_again = await house.ann.post("/api/v1/chat", chat, idempotency_key="k")

        assert again.json == first.json
        assert said_again.json == said_first.json
        assert (await asked(house.ann, key="another")).status in (404, 503)


async def test_a_key_still_stands_for_its_run_when_its_model_has_lost_its_hands(
    house: House,
) -> None:
    first = await asked(house.ann, key="k", tools=[LOOK])
    house.models._info = ModelInfo(name="m", service="s", window_tokens=8192, tools=False)

    again = await asked(house.ann, key="k", tools=[LOOK])

    assert again.json == first.json
    error_of(await asked(house.ann, tools=[LOOK]), 400, "tools_refused")
