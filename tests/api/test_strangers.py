"""People whom another issuer of tokens vouches for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from dishka import Provider, Scope

from polyagent.domain.errors import Unauthenticated, Unavailable
from polyagent.domain.identity import Stranger
from polyagent.ports.vault import ForeignTokens
from tests.api.client import Client
from tests.api.house import SETTINGS, House

PROFILE = "/api/v1/users/profile"
FAR = datetime(2099, 1, 1, tzinfo=UTC)


class Embassy:
    """Knows who a token names; `away`: its keys cannot be had."""

    def __init__(self) -> None:
        self.people: dict[str, Stranger] = {}
        self.away = False

    def sends(self, token: str, subject: str, **more: Any) -> None:
        self.people[token] = Stranger(
            issuer="https://id.example", subject=subject, expires_at=FAR, **more
        )

    async def verify(self, token: str) -> Stranger | None:
        if self.away:
            raise Unavailable("The issuer of this token does not answer.")
        if token == "forged":
            raise Unauthenticated("The access token of this issuer is not valid.")
        return self.people.get(token)


class Town:
    def __init__(self, house: House, embassy: Embassy) -> None:
        self.house = house
        self.embassy = embassy

    def client(self, token: str) -> Client:
        return self.house.nobody.with_token(token)

    async def profile(self, token: str) -> Any:
        answer = await self.client(token).get(PROFILE)
        assert answer.status == 200, answer.body
        return answer.json


@asynccontextmanager
async def _town() -> AsyncIterator[Town]:
    embassy = Embassy()
    given = Provider(scope=Scope.APP)
    given.provide(lambda: embassy, provides=ForeignTokens)
    async with House(SETTINGS, given).open() as house:
        yield Town(house, embassy)


async def test_a_stranger_is_a_member_from_the_first_time_it_is_seen() -> None:
    async with _town() as town:
        town.embassy.sends("one", "zoe-1", username="zoe", email="zoe@id.example")
        town.embassy.sends("two", "zoe-1", username="zoe", email="zoe@id.example")

        first, second = await town.profile("one"), await town.profile("two")
        chat = await town.house.chat(town.client("one"))

    assert first["id"] == second["id"]
    assert (first["username"], first["email"], first["role"]) == ("zoe", "zoe@id.example", "member")
    assert chat.status == 200


async def test_strangers_who_come_twenty_at_once_are_one() -> None:
    async with _town() as town:
        town.embassy.sends("one", "zoe-1", username="zoe")

        found = await asyncio.gather(*(town.profile("one") for _ in range(20)))

    assert len({each["id"] for each in found}) == 1


@pytest.mark.parametrize("said", [{"username": "ANN", "email": "ann@house.example"}, {}])
async def test_a_stranger_takes_nobodys_name_nor_account(said: dict[str, str]) -> None:
    async with _town() as town:
        ann = (await town.house.ann.get(PROFILE)).json
        town.embassy.sends("one", "ann-1", **said)

        stranger = await town.profile("one")

    assert stranger["id"] != ann["id"]
    assert stranger["username"].lower() != "ann"
    assert stranger["email"].endswith("@users.invalid")


async def test_a_stranger_has_the_role_that_its_issuer_says_now() -> None:
    async with _town() as town:
        town.embassy.sends("one", "zoe-1", username="zoe", role="viewer")
        town.embassy.sends("two", "zoe-1", username="zoe", role="admin")

        roles = [(await town.profile(token))["role"] for token in ("one", "two")]
        users = await town.client("two").get("/api/v1/users")

    assert roles == ["viewer", "admin"]
    assert users.status == 200


async def test_a_suspended_stranger_stays_out_and_nobody_logs_in_as_one() -> None:
    async with _town() as town:
        town.embassy.sends("one", "zoe-1", username="zoe")
        user_id = (await town.profile("one"))["id"]
        login = await town.house.nobody.post(
            "/api/v1/users/login", {"username": "zoe", "password": ""}
        )

        await town.house.root.request(
            "PATCH", f"/api/v1/users/{user_id}", json={"status": "suspended"}
        )
        answer = await town.client("one").get(PROFILE)

    login.as_problem(401, "bad_credentials")
    answer.as_problem(401, "unauthenticated")


async def test_forged_tokens_are_refused_and_an_issuer_that_is_away_is_told() -> None:
    async with _town() as town:
        forged = await town.client("forged").get(PROFILE)
        unknown = await town.client("unknown").get(PROFILE)
        town.embassy.away = True
        away = await town.client("one").get(PROFILE)

    forged.as_problem(401, "unauthenticated")
    unknown.as_problem(401, "unauthenticated")
    away.as_problem(503, "unavailable")
    assert "retry-after" in away.headers
