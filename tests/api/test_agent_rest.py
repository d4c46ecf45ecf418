"""Agents that are put to rest, deleted or shared no longer, and the sessions that had them."""

from typing import Any

import pytest

from tests.api.house import House, some_id

CHAT = "/api/v1/chat"
RUNS = "/api/v1/runs"


def address(agent: Any) -> str:
    return f"/api/v1/agents/{agent['id']}"


async def reads(house: House, session_id: str) -> list[str]:
    """Read a session of ann's in every way there is."""
    session = await house.ann.get(f"{CHAT}/sessions/{session_id}")
    messages = await house.ann.get(f"{CHAT}/sessions/{session_id}/messages")
    listed = await house.ann.get(f"{CHAT}/sessions?agent_id={session.json['agent_id']}")
    (run,) = (await house.ann.get(f"{RUNS}?session_id={session_id}")).json["items"]
    events = await house.ann.get(f"{RUNS}/{run['id']}/events", accept="application/json")
    assert (session.status, listed.json["items"]) == (200, [session.json])
    assert events.json["ended"]
    return [message["content"] for message in messages.json["items"]]


@pytest.mark.parametrize("status", ["inactive", "archived"])
async def test_an_agent_at_rest_answers_nobody_until_it_is_active_again(
    house: House, status: str
) -> None:
    agent = await house.agent(house.ann)
    session_id = (await house.chat(house.ann, agent_id=agent["id"])).json["session_id"]
    await house.ann.request("PATCH", address(agent), json={"status": status})

    named = await house.chat(house.ann, agent_id=agent["id"])
    continued = await house.chat(house.ann, session_id=session_id)
    streamed = await house.ann.post(f"{CHAT}/stream", {"message": "hi", "session_id": session_id})
    other = await house.chat(house.ann, session_id=session_id, agent_type="code")
    await house.ann.request("PATCH", address(agent), json={"status": "active"})
    again = await house.chat(house.ann, session_id=session_id)

    for answer in (named, continued, streamed):
        assert status in answer.as_problem(409, "agent_inactive")["detail"]
    assert (other.status, again.status) == (200, 200)


@pytest.mark.parametrize("status", ["inactive", "archived", "deleted"])
async def test_what_was_said_with_an_agent_stays_readable(house: House, status: str) -> None:
    agent = await house.agent(house.ann)
    session_id = (await house.chat(house.ann, agent_id=agent["id"])).json["session_id"]

    if status == "deleted":
        await house.ann.request("DELETE", address(agent))
    else:
        await house.ann.request("PATCH", address(agent), json={"status": status})

    assert await reads(house, session_id) == ["hi", "You said: hi"]


@pytest.mark.parametrize("change", [{"status": "archived"}, {"visibility": "private"}, None])
async def test_runs_of_an_agent_go_on_when_it_goes(house: House, change: Any) -> None:
    agent = await house.agent(house.ann, visibility="shared", instructions="Be brief.")
    house.models.gate.clear()
    running = await house.bob.post(RUNS, {"message": "one", "agent_id": agent["id"]})
    session_id = running.json["session_id"]
    queued = await house.bob.post(
        RUNS, {"message": "two", "agent_id": agent["id"], "session_id": session_id}
    )

    if change is None:
        await house.ann.request("DELETE", address(agent))
    else:
        await house.ann.request("PATCH", address(agent), json=change)
    house.models.gate.set()
    ends = [
        (await house.bob.get(f"{RUNS}/{run.json['id']}/events")).body for run in (running, queued)
    ]

    assert all(b"run.completed" in end for end in ends)
    assert [prompt.messages[0].parts for prompt in house.models.prompts] == [
        house.models.prompts[0].messages[0].parts
    ] * 2


async def test_a_session_goes_on_without_its_agent_under_another(house: House) -> None:
    agent, other = await house.agent(house.ann), await house.agent(house.ann, name="other")
    session_id = (await house.chat(house.ann, agent_id=agent["id"])).json["session_id"]
    await house.ann.request("DELETE", address(agent))

    continued = await house.chat(house.ann, session_id=session_id)
    named = await house.chat(house.ann, session_id=session_id, agent_id=agent["id"])
    by_other = await house.chat(house.ann, "go on", session_id=session_id, agent_id=other["id"])

    assert "agent_type" in continued.as_problem(409, "agent_gone")["detail"]
    named.as_problem(404, "not_found")
    assert by_other.json["status"] == "completed"
    (await house.ann.get(address(agent))).as_problem(404, "not_found")


async def test_an_agent_that_is_shared_no_longer_is_gone_for_others(house: House) -> None:
    agent = await house.agent(house.ann, visibility="shared")
    his = (await house.chat(house.bob, agent_id=agent["id"])).json["session_id"]
    hers = (await house.chat(house.ann, agent_id=agent["id"])).json["session_id"]
    await house.ann.request("PATCH", address(agent), json={"visibility": "private"})

    continued = await house.chat(house.bob, session_id=his)
    named = await house.chat(house.bob, agent_id=agent["id"])
    unknown = await house.chat(house.bob, agent_id=(absent := str(some_id())))
    messages = await house.bob.get(f"{CHAT}/sessions/{his}/messages")
    own = await house.chat(house.ann, session_id=hers)

    continued.as_problem(409, "agent_gone")
    assert named.told(agent["id"]) == unknown.told(absent)
    assert len(messages.json["items"]) == 2
    assert own.status == 200


@pytest.mark.parametrize("path", [CHAT, f"{CHAT}/stream", RUNS])
async def test_a_key_still_stands_for_its_run_when_the_agent_is_gone(
    house: House, path: str
) -> None:
    agent = await house.agent(house.ann)
    ask = {"message": "hi", "agent_id": agent["id"]}
    first = await house.ann.post(CHAT, ask, idempotency_key="k1")
    await house.ann.request("DELETE", address(agent))

    again = await house.ann.post(path, ask, idempotency_key="k1")
    fresh = await house.ann.post(path, ask, idempotency_key="k2")
    reused = await house.ann.post(path, {**ask, "message": "ho"}, idempotency_key="k1")

    assert again.status == 200, again.body
    assert again.headers["idempotent-replayed"] == "true"
    assert (
        first.json["run_id"].encode()
        in again.body + again.headers.get("content-location", "").encode()
    )
    fresh.as_problem(404, "not_found")
    reused.as_problem(422, "idempotency_key_reused")
