"""What the audit log says of administrators who look at others, and of those who are not let in."""

from uuid import UUID

import pytest
from websockets.exceptions import InvalidStatus

from polyagent.ports.vault import TokenRing
from tests.api.client import Client
from tests.api.house import SETTINGS, House
from tests.api.sockets import street
from tests.api.test_audit import _entries
from tests.api.test_strangers import _town

SESSIONS = "/api/v1/chat/sessions"
PROFILE = "/api/v1/users/profile"
USAGE = "/api/v1/stats/usage"
TASKS, SCHEDULES, WEBHOOKS = (f"/api/v1/{noun}" for noun in ("tasks", "schedules", "webhooks"))
DELAYED = {"kind": "chat", "payload": {"message": "hi"}, "delay_s": 3600}
DAILY = {
    "name": "daily",
    "cron": "@daily",
    "timezone": "UTC",
    "task": {"kind": "chat", "payload": {"message": "hi"}},
}
HOOK = {"url": "https://192.0.1.1/hook", "events": ["*"]}
READS = ("usage.read", "session.read", "run.read", "agent.read", "api_key.read")


async def _id_of(client: Client) -> str:
    return str((await client.get(PROFILE)).json["id"])


async def test_an_administrators_look_at_others_is_noted_once_for_each_thing(house: House) -> None:
    chat = (await house.chat(house.ann)).json
    session, run = chat["session_id"], chat["run_id"]
    followed = (await house.chat(house.ann)).json["run_id"]
    private = (await house.agent(house.ann))["id"]
    shared = (await house.agent(house.ann, name="shared", visibility="shared"))["id"]
    paths = [
        *(f"{SESSIONS}/{session}", f"{SESSIONS}/{session}/messages"),
        *(f"/api/v1/runs/{run}", f"/api/v1/runs/{followed}/events"),
        *(f"/api/v1/agents/{private}", f"/api/v1/agents/{private}/versions"),
        f"/api/v1/agents/{shared}",
    ]

    for path in paths * 2:
        assert (await house.root.get(path, accept="application/json")).status == 200

    entries = await _entries(house, *READS)
    assert {entry["actor_id"] for entry in entries} == {await _id_of(house.root)}
    assert [(entry["action"], entry["object"]) for entry in entries] == [
        ("session.read", session),
        *(("run.read", run), ("run.read", followed)),
        ("agent.read", private),
    ]


async def test_an_administrators_lists_are_noted_and_nobody_elses(house: House) -> None:
    for client in (house.ann, house.root):
        for path in (SESSIONS, "/api/v1/runs", "/api/v1/agents", "/api/v1/api-keys", USAGE):
            assert (await client.get(path)).status == 200

    entries = await _entries(house, *READS)

    assert [(entry["action"], entry["object"]) for entry in entries] == [
        *(("session.read", None), ("run.read", None)),
        *(("agent.read", None), ("api_key.read", None), ("usage.read", None)),
    ]


@pytest.mark.parametrize("who", ["ann", "root"])
async def test_whoever_looks_at_their_own_leaves_no_entry(house: House, who: str) -> None:
    client = getattr(house, who)
    chat = (await house.chat(client)).json
    agent = (await house.agent(client))["id"]

    await client.get(f"{SESSIONS}/{chat['session_id']}")
    await client.get(f"/api/v1/runs/{chat['run_id']}")
    await client.request("PATCH", f"/api/v1/agents/{agent}", json={"description": "x"})
    await client.request("DELETE", f"{SESSIONS}/{chat['session_id']}")

    assert await _entries(house, *READS, "agent.changed", "session.deleted") == []


async def test_what_an_administrator_does_to_others_is_noted_with_whose_it_was(
    house: House,
) -> None:
    chat = (await house.chat(house.ann)).json
    session, agent = chat["session_id"], (await house.agent(house.ann))["id"]
    for method, path in (
        ("PATCH", f"{SESSIONS}/{session}"),
        ("DELETE", f"{SESSIONS}/{session}"),
        ("PATCH", f"/api/v1/agents/{agent}"),
        ("DELETE", f"/api/v1/agents/{agent}"),
    ):
        body = {"metadata": {"x": 1}} if method == "PATCH" else None
        assert (await house.root.request(method, path, json=body)).status < 300

    changes = ("session.changed", "session.deleted", "agent.changed", "agent.deleted")
    entries = await _entries(house, *changes)

    told = [(entry["action"], entry["object"]) for entry in entries]
    assert told == list(zip(changes, (session, session, agent, agent), strict=True))
    owner = await _id_of(house.ann)
    assert [entry["details"] for entry in entries] == [{"owner_id": owner}] * 4


async def test_credentials_that_are_no_good_are_noted_but_not_those_that_ran_out(
    house: House,
) -> None:
    ring = await house.container.get(TokenRing)
    stale, _ = ring.issue(UUID(await _id_of(house.ann)), 1, lifetime_s=-600)
    for token in ("nonsense", "pa_nonsense", stale, None):
        assert (await house.nobody.with_token(token).get("/api/v1/agents")).status == 401

    entries = await _entries(house, "credentials")

    assert [(entry["outcome"], entry["object"]) for entry in entries] == [
        ("refused", "GET /api/v1/agents")
    ] * 2
    assert {entry["client"] for entry in entries} == {"127.0.0.1"}


async def test_a_flood_of_refusals_leaves_few_entries_that_say_how_many_there_were(
    house: House,
) -> None:
    guessing = house.nobody.with_token("nonsense")
    for _ in range(50):
        assert (await guessing.get("/api/v1/agents")).status == 401

    assert len(await _entries(house, "credentials")) == 5


async def test_sockets_of_strangers_and_pages_of_other_sites_are_noted() -> None:
    async with street(SETTINGS) as town:
        house = town.house
        theirs = (await house.chat(house.ann)).json["session_id"]
        async with town.talk(headers={"Authorization": "Bearer nonsense"}) as talk:
            assert await talk.is_closed() == 4401
        async with town.talk(house.bob, f"/ws/chat/{theirs}") as talk:
            assert await talk.is_closed() == 4403
        async with town.talk(house.bob) as talk:
            assert (await talk.asks("auth", token=house.ann.token))["code"] == "forbidden"
        with pytest.raises(InvalidStatus):
            async with town.talk(house.bob, headers={"Origin": "https://evil.example"}):
                pass
        await house.bob.post("/api/v1/agents", {"name": "x"}, origin="https://evil.example")

        entries = await _entries(house, "credentials", "request", "origin")
        bob = await _id_of(house.bob)

    refused = [entry for entry in entries if entry["outcome"] == "refused"]
    assert [(e["action"], e["actor_id"], e["object"]) for e in refused] == [
        ("credentials", None, "CONNECT /ws"),
        ("request", bob, f"CONNECT /ws/chat/{theirs}"),
        ("request", bob, "FRAME auth"),
        ("origin", None, "CONNECT /ws"),
        ("origin", None, "POST /api/v1/agents"),
    ]
    assert refused[-1]["details"] == {"origin": "https://evil.example"}


async def test_users_whom_an_issuer_makes_and_roles_that_it_gives_are_noted() -> None:
    async with _town() as town:
        town.embassy.sends("one", "zoe-1", username="zoe", role="viewer")
        town.embassy.sends("two", "zoe-1", username="zoe", role="admin")
        zoe = (await town.profile("one"))["id"]
        await town.profile("two")

        entries = await _entries(town.house, "user.created", "user.changed")

    assert [(e["action"], e["actor_id"], e["object"]) for e in entries] == [
        ("user.created", zoe, zoe),
        ("user.changed", None, zoe),
    ]
    issuer = {"issuer": "https://id.example"}
    assert entries[0]["details"] == issuer | {"role": "viewer"}
    assert entries[1]["details"] == issuer | {"role": {"from": "viewer", "to": "admin"}}


async def test_an_administrators_look_at_others_tasks_schedules_and_webhooks_is_noted(
    house: House,
) -> None:
    task = (await house.ann.post(TASKS, DELAYED)).json["id"]
    schedule = (await house.ann.post(SCHEDULES, DAILY)).json["id"]
    webhook = (await house.ann.post(WEBHOOKS, HOOK)).json["id"]
    own = (await house.root.post(TASKS, DELAYED)).json["id"]
    paths = (
        *(f"{TASKS}/{task}", f"{TASKS}/{own}", f"{SCHEDULES}/{schedule}"),
        *(f"{WEBHOOKS}/{webhook}/deliveries", TASKS, SCHEDULES, "/api/v1/stats/tasks"),
    )

    for path in paths * 2:
        assert (await house.root.get(path)).status == 200
        await house.ann.get(path)

    entries = await _entries(house, "task.read", "schedule.read", "webhook.read", "usage.read")
    assert [(entry["action"], entry["object"]) for entry in entries] == [
        *(("task.read", task), ("schedule.read", schedule), ("webhook.read", webhook)),
        *(("task.read", None), ("schedule.read", None), ("usage.read", None)),
    ]


async def test_what_an_administrator_does_to_others_tasks_and_webhooks_is_noted(
    house: House,
) -> None:
    task = (await house.ann.post(TASKS, DELAYED)).json["id"]
    own = (await house.root.post(TASKS, DELAYED)).json["id"]
    webhook = (await house.ann.post(WEBHOOKS, HOOK)).json["id"]

    for path in (
        *(f"{TASKS}/{task}/retry", f"{TASKS}/{task}/cancel", f"{TASKS}/{own}/cancel"),
        f"{WEBHOOKS}/{webhook}/test",
    ):
        assert (await house.root.post(path)).status == 202

    entries = await _entries(house, "task.retried", "task.cancelled", "webhook.sent")
    owner = {"owner_id": await _id_of(house.ann)}
    assert [(each["action"], each["object"], each["details"]) for each in entries] == [
        *(("task.retried", task, owner), ("task.cancelled", task, owner)),
        ("webhook.sent", webhook, owner),
    ]
