"""Registering, refreshing, logging out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from polyagent.settings import Auth
from tests.api.client import LIMIT_S, Answer
from tests.api.house import SECRET, SETTINGS, House

EVE = {"username": "eve", "email": "eve@house.example", "password": "correct horse"}


@asynccontextmanager
async def _house(**auth: Any) -> AsyncIterator[House]:
    settings = msgspec.structs.replace(SETTINGS, auth=Auth(jwt_secret=SECRET, **auth))
    async with House(settings).open() as house:
        yield house


async def _logs_in(house: House) -> dict[str, Any]:
    await house.root.post("/api/v1/users", EVE)
    answer = await house.nobody.post(
        "/api/v1/users/login", {"username": "eve", "password": EVE["password"]}
    )
    assert answer.status == 200, answer.body
    tokens: dict[str, Any] = answer.json
    return tokens


async def _refresh(house: House, token: str) -> Answer:
    return await house.nobody.post("/api/v1/users/refresh", {"refresh_token": token})


async def _profile(house: House, tokens: dict[str, Any]) -> Answer:
    return await house.nobody.with_token(tokens["access_token"]).get("/api/v1/users/profile")


async def test_nobody_registers_where_it_is_closed(house: House) -> None:
    answer = await house.nobody.post("/api/v1/users/register", EVE)

    answer.as_problem(403, "registration_closed")


async def test_who_registers_is_a_member_and_logs_in() -> None:
    async with _house(registration="open") as house:
        made = await house.nobody.post("/api/v1/users/register", EVE)
        again = await house.nobody.post("/api/v1/users/register", EVE)
        smuggled = await house.nobody.post("/api/v1/users/register", {**EVE, "role": "admin"})
        tokens = await _logs_in(house)
        profile = await _profile(house, tokens)

    assert made.status == 201
    assert made.json["role"] == "member"
    again.as_problem(409, "name_taken")
    smuggled.as_problem(400, "invalid_request")
    assert profile.json["id"] == made.json["id"]


async def test_a_refresh_token_gives_a_new_pair_once(house: House) -> None:
    first = await _logs_in(house)

    second = (await _refresh(house, first["refresh_token"])).json
    profile = await _profile(house, second)
    reused = await _refresh(house, first["refresh_token"])

    assert set(second) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert second["refresh_token"] != first["refresh_token"]
    assert profile.status == 200
    reused.as_problem(401, "refresh_token_reused")
    for tokens in (first, second):
        (await _profile(house, tokens)).as_problem(401, "unauthenticated")
    (await _refresh(house, second["refresh_token"])).as_problem(401, "unauthenticated")


async def test_of_twenty_at_once_one_wins_and_the_others_are_reuse(house: House) -> None:
    tokens = await _logs_in(house)

    answers = await asyncio.gather(*(_refresh(house, tokens["refresh_token"]) for _ in range(20)))

    lost = [answer for answer in answers if answer.status != 200]
    assert len(lost) == 19
    for answer in lost:
        answer.as_problem(401, "refresh_token_reused")


async def test_within_the_grace_all_have_the_same_successor() -> None:
    async with _house(refresh_grace_s=60) as house:
        tokens = await _logs_in(house)
        answers = await asyncio.gather(
            *(_refresh(house, tokens["refresh_token"]) for _ in range(20))
        )
        successors = {answer.json["refresh_token"] for answer in answers}
        (successor,) = successors
        next_pair = await _refresh(house, successor)
        reused = await _refresh(house, tokens["refresh_token"])

    assert next_pair.status == 200
    reused.as_problem(401, "refresh_token_reused")


@pytest.mark.parametrize("token", ["", "x", "a" * 86, "é", "a" * 254, "AAAA===="])
async def test_what_is_no_refresh_token_is_refused(house: House, token: str) -> None:
    (await _refresh(house, token)).as_problem(401, "unauthenticated")


async def test_a_refresh_token_of_ten_kilobytes_is_malformed(house: House) -> None:
    (await _refresh(house, "a" * 10_000)).as_problem(400, "invalid_request")


async def test_logging_out_ends_the_login_and_no_other(house: House) -> None:
    here, elsewhere = await _logs_in(house), await _logs_in(house)
    client = house.nobody.with_token(here["access_token"])

    answer = await client.post("/api/v1/users/logout")

    assert (answer.status, answer.body) == (204, b"")
    (await _profile(house, here)).as_problem(401, "unauthenticated")
    (await _refresh(house, here["refresh_token"])).as_problem(401, "unauthenticated")
    assert (await _profile(house, elsewhere)).status == 200


async def test_a_refresh_token_is_no_access_token(house: House) -> None:
    tokens = await _logs_in(house)

    answer = await house.nobody.with_token(tokens["refresh_token"]).get("/api/v1/users/profile")

    answer.as_problem(401, "unauthenticated")


async def test_a_stream_ends_when_its_login_does(house: House) -> None:
    tokens = await _logs_in(house)
    client = house.nobody.with_token(tokens["access_token"])
    house.models.gate.clear()

    async with client.exchange("POST", "/api/v1/chat/stream", json={"message": "hi"}) as exchange:
        frames = exchange.body()
        heard = await anext(frames)
        await client.post("/api/v1/users/logout")
        async with asyncio.timeout(LIMIT_S):
            rest = b"".join([frame async for frame in frames])

    assert b"run.started" in heard
    assert b"run." not in rest
    assert b"retry" not in rest


async def test_a_chat_that_waits_is_not_answered_after_its_login_ended(house: House) -> None:
    tokens = await _logs_in(house)
    client = house.nobody.with_token(tokens["access_token"])
    house.models.gate.clear()
    waiting = asyncio.create_task(client.post("/api/v1/chat", {"message": "hi"}))
    await house.models.asked.wait()

    await client.post("/api/v1/users/logout")

    (await waiting).as_problem(401, "unauthenticated")
