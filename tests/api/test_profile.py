"""What users change of themselves, and administrators of them."""

import asyncio
from typing import Any

import pytest

from tests.api.client import LIMIT_S, Answer, Client
from tests.api.house import House
from tests.api.test_logins import EVE, _logs_in

PROFILE = "/api/v1/users/profile"
NEW = "another correct horse"


async def _patch(client: Client, body: Any, path: str = PROFILE) -> Answer:
    return await client.request("PATCH", path, json=body)


async def _id(client: Client) -> str:
    answer = await client.get(PROFILE)
    return str(answer.json["id"])


async def test_settings_are_merged_and_null_clears(house: House) -> None:
    await _patch(house.ann, {"settings": {"theme": "dark", "deep": {"a": 1, "b": 2}}})

    merged = await _patch(house.ann, {"settings": {"theme": None, "deep": {"a": 3}}})
    cleared = await _patch(house.ann, {"settings": None})

    assert merged.json["settings"] == {"deep": {"a": 3, "b": 2}}
    assert cleared.json["settings"] == {}


async def test_put_replaces_email_and_settings(house: House) -> None:
    await _patch(house.ann, {"settings": {"theme": "dark"}})
    body = {"email": "new@house.example", "settings": {"x": 1}}

    answer = await house.ann.request("PUT", PROFILE, json=body)

    assert (answer.status, answer.json["email"]) == (200, "new@house.example")
    assert answer.json["settings"] == {"x": 1}
    for lacking in ("email", "settings"):
        part = {name: value for name, value in body.items() if name != lacking}
        refused = await house.ann.request("PUT", PROFILE, json=part)
        refused.as_problem(400, "invalid_request")


@pytest.mark.parametrize(
    "smuggled",
    ["role", "status", "id", "workspace_id", "user_id", "session_version", "password_hash"],
)
async def test_nothing_is_smuggled_into_a_profile(house: House, smuggled: str) -> None:
    for method, body in (("PATCH", {}), ("PUT", {"email": "a@b.example", "settings": {}})):
        answer = await house.ann.request(method, PROFILE, json={**body, smuggled: "admin"})

        answer.as_problem(400, "invalid_request")


async def test_an_email_in_use_is_taken(house: House) -> None:
    (await _patch(house.ann, {"email": "BOB@house.example"})).as_problem(409, "name_taken")


async def test_nobody_makes_itself_an_application(house: House) -> None:
    asked = {"settings": {"application": True}}

    (await _patch(house.ann, asked)).as_problem(403, "forbidden")
    put = {"email": "ann@house.example", **asked}
    (await house.ann.request("PUT", PROFILE, json=put)).as_problem(403, "forbidden")
    made = await _patch(house.root, asked, f"/api/v1/users/{await _id(house.ann)}")
    kept = await _patch(house.ann, {"settings": {"theme": "dark"}})

    assert made.json["settings"] == {"application": True}
    assert kept.json["settings"] == {"application": True, "theme": "dark"}
    (await _patch(house.ann, {"settings": None})).as_problem(403, "forbidden")


async def test_settings_have_a_bound(house: House) -> None:
    answer = await _patch(house.ann, {"settings": {"x": "y" * 20_000}})

    answer.as_problem(400, "invalid_request")


async def test_a_new_password_ends_all_other_logins(house: House) -> None:
    here, elsewhere = await _logs_in(house), await _logs_in(house)
    client = house.nobody.with_token(here["access_token"])

    changed = await _patch(client, {"current_password": EVE["password"], "password": NEW})

    assert changed.status == 200
    assert (await client.get(PROFILE)).status == 200
    other = await house.nobody.with_token(elsewhere["access_token"]).get(PROFILE)
    other.as_problem(401, "unauthenticated")
    for password, status in ((EVE["password"], 401), (NEW, 200)):
        body = {"username": "eve", "password": password}
        assert (await house.nobody.post("/api/v1/users/login", body)).status == status


async def test_a_password_needs_the_current_one(house: House) -> None:
    client = house.nobody.with_token((await _logs_in(house))["access_token"])

    wrong = await _patch(client, {"current_password": "wrong", "password": NEW})
    without = await _patch(client, {"password": NEW})
    only = await _patch(client, {"current_password": EVE["password"]})
    short = await _patch(client, {"current_password": EVE["password"], "password": "short"})

    wrong.as_problem(401, "bad_credentials")
    for answer in (without, only, short):
        answer.as_problem(400, "invalid_request")


async def test_suspension_acts_at_once_and_is_taken_back(house: House) -> None:
    tokens = await _logs_in(house)
    client = house.nobody.with_token(tokens["access_token"])
    path = f"/api/v1/users/{await _id(client)}"

    suspended = await _patch(house.root, {"status": "suspended"}, path)
    meanwhile = [
        await client.get(PROFILE),
        await house.nobody.post(
            "/api/v1/users/refresh", {"refresh_token": tokens["refresh_token"]}
        ),
        await house.nobody.post(
            "/api/v1/users/login", {"username": "eve", "password": EVE["password"]}
        ),
    ]
    await _patch(house.root, {"status": "active"}, path)

    assert suspended.json["status"] == "suspended"
    assert [answer.status for answer in meanwhile] == [401, 401, 401]
    assert (await client.get(PROFILE)).status == 200


async def test_a_role_acts_at_once(house: House) -> None:
    path = f"/api/v1/users/{await _id(house.ann)}"

    before = await house.ann.get("/api/v1/users")
    await _patch(house.root, {"role": "admin"}, path)
    promoted = await house.ann.get("/api/v1/users")
    await _patch(house.root, {"role": "viewer"}, path)
    demoted = await house.ann.post("/api/v1/agents", {"name": "x"})

    before.as_problem(403, "forbidden")
    assert promoted.status == 200
    demoted.as_problem(403, "forbidden")


async def test_the_last_administrator_stays(house: House) -> None:
    path = f"/api/v1/users/{await _id(house.root)}"

    for answer in (
        await _patch(house.root, {"role": "member"}, path),
        await _patch(house.root, {"status": "suspended"}, path),
        await house.root.request("DELETE", path),
    ):
        answer.as_problem(409, "last_administrator")


async def test_a_deleted_user_is_gone_with_its_credentials(house: House) -> None:
    path = f"/api/v1/users/{await _id(house.ann)}"

    deleted = await house.root.request("DELETE", path)

    assert (deleted.status, deleted.body) == (204, b"")
    (await house.ann.get(PROFILE)).as_problem(401, "unauthenticated")
    (await house.root.request("DELETE", path)).as_problem(404, "not_found")
    (await house.root.get(path)).as_problem(404, "not_found")
    (await _patch(house.root, {"role": "viewer"}, path)).as_problem(404, "not_found")


async def test_a_stream_ends_when_its_user_is_demoted(house: House) -> None:
    path = f"/api/v1/users/{await _id(house.ann)}"
    house.models.gate.clear()

    async with house.ann.exchange(
        "POST", "/api/v1/chat/stream", json={"message": "hi"}
    ) as exchange:
        frames = exchange.body()
        await anext(frames)
        await _patch(house.root, {"role": "viewer"}, path)
        async with asyncio.timeout(LIMIT_S):
            rest = b"".join([frame async for frame in frames])

    assert b"run." not in rest
