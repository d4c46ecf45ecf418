"""The audit log as administrators read it."""

from typing import Any

from msgspec.structs import replace

from polyagent.settings import Server
from tests.api.house import DRAIN_S, SETTINGS, House
from tests.api.test_logins import EVE, _logs_in, _refresh

AUDIT = "/api/v1/audit"


async def _entries(house: House, *actions: str) -> list[Any]:
    answer = await house.root.get(f"{AUDIT}?limit=100&order=asc")
    assert answer.status == 200, answer.body
    return [entry for entry in answer.json["items"] if entry["action"] in actions]


async def test_logins_their_refusals_and_reuse_are_noted(house: House) -> None:
    tokens = await _logs_in(house)
    for name in ("eve", "nobody"):
        body = {"username": name, "password": "wrong one"}
        await house.nobody.post("/api/v1/users/login", body)
    await _refresh(house, tokens["refresh_token"])
    await _refresh(house, tokens["refresh_token"])

    entries = await _entries(house, "login", "refresh_token.reused")

    eve = (await house.root.get("/api/v1/users?limit=1")).json["items"][0]
    told = [(e["action"], e["outcome"], e["actor_id"], e["object"]) for e in entries]
    assert eve["username"] == "eve"
    assert told == [
        ("login", "done", eve["id"], eve["id"]),
        ("login", "refused", None, eve["id"]),
        ("login", "refused", None, None),
        ("refresh_token.reused", "refused", None, eve["id"]),
    ]


async def test_as_many_logins_are_noted_of_a_name_that_nobody_has(house: House) -> None:
    for name in ["nobody"] * 5 + ["ann"] * 5 + ["noone"] * 5:
        body = {"username": name, "password": "wrong one"}
        assert (await house.nobody.post("/api/v1/users/login", body)).status == 401

    noted = [entry["object"] for entry in await _entries(house, "login")]

    ann = (await house.ann.get("/api/v1/users/profile")).json["id"]
    assert noted == [None] * 5 + [ann] * 5 + [None] * 5


async def test_changes_of_users_and_keys_are_noted_without_secrets(house: House) -> None:
    made = (await house.root.post("/api/v1/users", EVE)).json
    path = f"/api/v1/users/{made['id']}"
    await house.root.request("PATCH", path, json={"role": "viewer", "settings": {"x": "secret"}})
    key = (await house.ann.post("/api/v1/api-keys", {"name": "x", "scopes": ["chat"]})).json
    await house.chat(house.nobody.with_token(key["secret"]))
    await house.ann.request("DELETE", f"/api/v1/api-keys/{key['id']}")
    await house.root.request("DELETE", path)

    answer = await house.root.get(f"{AUDIT}?limit=100&order=asc")

    entries = [e for e in answer.json["items"] if e["action"] != "request"]
    assert [(e["action"], e["object"]) for e in entries] == [
        ("user.created", made["id"]),
        ("user.changed", made["id"]),
        ("api_key.created", key["id"]),
        ("api_key.used", key["id"]),
        ("api_key.deleted", key["id"]),
        ("user.deleted", made["id"]),
    ]
    assert entries[1]["details"] == {"role": {"from": "member", "to": "viewer"}}
    assert {entry["client"] for entry in entries} == {"127.0.0.1"}
    for secret in (EVE["password"], key["secret"], 'secret"'):
        assert secret.encode() not in answer.body


async def test_refusals_and_what_administrators_read_are_noted(house: House) -> None:
    await house.ann.get("/api/v1/users")
    await house.root.get("/api/v1/users")

    refused, read, audit = await _entries(house, "request")

    assert (refused["outcome"], refused["object"]) == ("refused", "GET /api/v1/users")
    assert (read["outcome"], read["object"]) == ("done", "GET /api/v1/users")
    assert audit["object"] == f"GET {AUDIT}"


async def test_behind_a_proxy_the_client_is_noted() -> None:
    server = Server(drain_s=DRAIN_S, trusted_proxies=("127.0.0.1",))
    async with House(replace(SETTINGS, server=server)).open() as house:
        body = {"username": "nobody", "password": "wrong one"}
        for address in ("192.0.2.1", "2001:db8::1"):
            await house.nobody.post("/api/v1/users/login", body, x_forwarded_for=address)

        entries = await _entries(house, "login")

    assert [entry["client"] for entry in entries] == ["192.0.2.1", "2001:db8::1"]


async def test_nobody_else_reads_it(house: House) -> None:
    (await house.ann.get(AUDIT)).as_problem(403, "forbidden")
