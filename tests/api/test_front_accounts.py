"""Who may use the front for clients of the OpenAI protocol, and for how long."""

import asyncio

from polyagent.domain.errors import ModelServiceBroken
from polyagent.domain.model import TextDelta
from tests.api.client import LIMIT_S, Answer
from tests.api.front import PATH, asked, decoded, error_of, official, user
from tests.api.house import House

BROKEN = ModelServiceBroken("it broke off")


async def _key(house: House, *scopes: str) -> str:
    made = await house.ann.post("/api/v1/api-keys", {"name": "front", "scopes": [*scopes]})
    return str(made.json["secret"])


async def _suspend_ann(house: House) -> Answer:
    ann = (await house.ann.get("/api/v1/users/profile")).json["id"]
    patch = {"status": "suspended"}
    return await house.root.request("PATCH", f"/api/v1/users/{ann}", json=patch)


async def test_an_api_key_is_a_key_of_the_official_client(house: House) -> None:
    client = official(house, house.nobody.with_token(await _key(house, "chat")))

    models = [model.id for model in (await client.models.list()).data]
    completion = await client.chat.completions.create(model="agent/general", messages=[user()])  # type: ignore[list-item]

    assert "agent/general" in models
    assert completion.choices[0].message.content == "You said: hi"


async def test_a_key_without_the_scope_is_refused(house: House) -> None:
    client = house.nobody.with_token(await _key(house, "agents:read"))

    error_of(await asked(client), 403, "scope_missing")


async def test_a_completion_that_is_waited_for_ends_with_its_credentials(house: House) -> None:
    house.models.gate.clear()
    waiting = asyncio.create_task(asked(house.ann))
    await house.models.asked.wait()

    await _suspend_ann(house)
    async with asyncio.timeout(LIMIT_S):
        answer = await waiting

    error_of(answer, 401, "invalid_api_key")


async def test_a_stream_without_output_yet_ends_with_its_credentials(house: House) -> None:
    house.models.gate.clear()
    waiting = asyncio.create_task(asked(house.ann, stream=True))
    await house.models.asked.wait()

    await _suspend_ann(house)
    async with asyncio.timeout(LIMIT_S):
        answer = await waiting

    error_of(answer, 401, "invalid_api_key")


async def test_a_stream_that_has_begun_says_that_its_credentials_have_ended(house: House) -> None:
    house.models.scripts.append([TextDelta("Half "), BROKEN])
    ask = {"model": "scripted", "messages": [user()], "stream": True}
    async with house.ann.exchange("POST", PATH, json=ask) as exchange:
        body = exchange.body()
        house.models.gate.clear()
        first = await anext(body)
        await _suspend_ann(house)

        async with asyncio.timeout(LIMIT_S):
            rest = b"".join([piece async for piece in body])

    house.models.gate.set()
    assert b"Half" in first
    assert decoded(rest.decode().split("\n\n")[-2])["error"]["code"] == "invalid_api_key"
    assert b"[DONE]" not in rest
