"""API keys: made, used within their scopes, deleted."""

from typing import Any

import pytest

from tests.api.client import Answer, Client
from tests.api.house import House

KEYS = "/api/v1/api-keys"
PROFILE = "/api/v1/users/profile"


async def _makes(client: Client, *scopes: str, **more: Any) -> Any:
    answer = await client.post(KEYS, {"name": "ci", "scopes": scopes, **more})
    assert answer.status == 201, answer.body
    return answer.json


def _with(house: House, key: Any) -> Client:
    return house.nobody.with_token(key["secret"])


async def test_a_key_is_shown_once_and_acts_for_its_maker(house: House) -> None:
    key = await _makes(house.ann, "chat")

    profile = await _with(house, key).get(PROFILE)
    listed = (await house.ann.get(KEYS)).json["items"]

    assert key["secret"].startswith(f"{key['prefix']}_")
    assert profile.json["username"] == "ann"
    assert [item["id"] for item in listed] == [key["id"]]
    assert "secret" not in listed[0]
    assert listed[0]["last_used_at"] is not None
    assert (await house.chat(_with(house, key))).status == 200


async def test_a_repeated_request_has_no_secret(house: House) -> None:
    body = {"name": "ci", "scopes": ["chat"]}
    first = await house.ann.post(KEYS, body, idempotency_key="k")

    again = await house.ann.post(KEYS, body, idempotency_key="k")

    assert (first.status, again.status) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert "secret" not in again.json
    assert again.json["id"] == first.json["id"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/agents", {"name": "mine"}),
        ("POST", "/api/v1/tools/execute", {"name": "current_time", "arguments": {}}),
        ("POST", KEYS, {"name": "more", "scopes": ["chat"]}),
        ("GET", KEYS, None),
        ("PATCH", PROFILE, {"email": "thief@house.example"}),
        ("PUT", PROFILE, {"email": "thief@house.example", "settings": {}}),
        ("POST", "/api/v1/users/logout", None),
    ],
)
async def test_a_key_does_what_its_scopes_say_and_makes_no_keys(
    house: House, method: str, path: str, body: object
) -> None:
    key = await _makes(house.ann, "chat", "agents:read")

    answer = await _with(house, key).request(method, path, json=body)

    answer.as_problem(403, "scope_missing")


async def test_an_administrators_key_without_the_scope_sees_what_is_its_makers(
    house: House,
) -> None:
    session = (await house.chat(house.ann)).json["session_id"]
    key = await _makes(house.root, "chat")

    seen = await _with(house, key).get(f"/api/v1/chat/sessions/{session}")
    users = await _with(house, key).get("/api/v1/users")

    seen.as_problem(404, "not_found")
    users.as_problem(403, "scope_missing")


async def test_a_key_has_no_more_rights_than_its_maker(house: House) -> None:
    more = await house.ann.post(KEYS, {"name": "x", "scopes": ["chat", "admin"]})
    viewers = await house.vic.post(KEYS, {"name": "x", "scopes": ["chat"]})

    more.as_problem(403, "forbidden")
    viewers.as_problem(403, "forbidden")


async def test_a_keys_rights_shrink_with_its_makers(house: House) -> None:
    key = await _makes(house.ann, "agents:write")
    user_id = (await house.ann.get(PROFILE)).json["id"]

    before = await _with(house, key).post("/api/v1/agents", {"name": "one"})
    await house.root.request("PATCH", f"/api/v1/users/{user_id}", json={"role": "viewer"})
    after = await _with(house, key).post("/api/v1/agents", {"name": "two"})

    assert before.status == 201
    after.as_problem(403, "forbidden")


async def test_a_deleted_key_and_a_suspended_makers_key_are_dead_at_once(house: House) -> None:
    deleted, suspended = await _makes(house.ann, "chat"), await _makes(house.bob, "chat")
    bob = (await house.bob.get(PROFILE)).json["id"]
    for key in (deleted, suspended):
        assert (await _with(house, key).get(PROFILE)).status == 200

    gone = await house.ann.request("DELETE", f"{KEYS}/{deleted['id']}")
    await house.root.request("PATCH", f"/api/v1/users/{bob}", json={"status": "suspended"})

    assert gone.status == 204
    for key in (deleted, suspended):
        (await _with(house, key).get(PROFILE)).as_problem(401, "unauthenticated")
    (await house.ann.request("DELETE", f"{KEYS}/{deleted['id']}")).as_problem(404, "not_found")


async def test_somebody_elses_key_is_not_found(house: House) -> None:
    key = await _makes(house.ann, "chat")

    answer = await house.bob.request("DELETE", f"{KEYS}/{key['id']}")

    answer.as_problem(404, "not_found")
    assert (await house.bob.get(KEYS)).json["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["chat", "everything"]},
        {"name": "", "scopes": ["chat"]},
        {"name": "x" * 101, "scopes": ["chat"]},
        {"name": "x", "scopes": ["chat"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["chat"], "expires_at": "2099-01-01T00:00:00"},
        {"name": "x", "scopes": ["chat"], "user_id": "01990000-0000-7000-8000-000000000000"},
    ],
)
async def test_a_malformed_ask_for_a_key_is_refused(house: House, body: object) -> None:
    (await house.ann.post(KEYS, body)).as_problem(400, "invalid_request")


async def test_a_key_that_is_not_one_is_refused(house: House) -> None:
    key = await _makes(house.ann, "chat")
    forged = [
        *("pa_", "pa__", "pa_x_y", f"{key['prefix']}_", f"{key['prefix']}_wrong"),
        *(key["prefix"], f"{key['secret']}x", "pa_01990000000070008000000000000000_secret"),
    ]

    for secret in forged:
        answer = await house.nobody.with_token(secret).get(PROFILE)

        answer.as_problem(401, "unauthenticated")


@pytest.mark.parametrize("name", ["api_key", "token", "access_token", "key", "ticket"])
async def test_no_key_is_taken_from_a_query(house: House, name: str) -> None:
    key = await _makes(house.ann, "chat")

    def asked(path: str) -> str:
        return f"{path}?{name}={key['secret']}"

    run_id = (await house.chat(house.ann)).json["run_id"]
    answers: list[Answer] = [
        await house.nobody.get(asked(PROFILE)),
        await house.nobody.get(asked(f"/api/v1/runs/{run_id}/events")),
    ]

    for answer in answers:
        answer.as_problem(401, "unauthenticated")


async def test_a_ticket_of_a_key_has_its_scopes(house: House) -> None:
    run_id = (await house.chat(house.ann)).json["run_id"]
    key = await _makes(house.ann, "chat")
    path = f"/api/v1/runs/{run_id}/events"
    ticket = (await _with(house, key).post("/api/v1/tickets", {"for": path})).json["ticket"]
    await house.ann.request("DELETE", f"{KEYS}/{key['id']}")

    answer = await house.nobody.get(f"{path}?ticket={ticket}")

    answer.as_problem(401, "unauthenticated")
