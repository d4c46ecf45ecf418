"""A socket of one session: it hears of every run in it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.house import SETTINGS, some_id
from tests.api.sockets import Street, street


@pytest.fixture
async def town() -> AsyncIterator[Street]:
    async with street(SETTINGS) as town:
        yield town


async def session_of(town: Street) -> str:
    session_id: str = (await town.house.chat(town.house.ann)).json["session_id"]
    return session_id


def runs(heard: list[Any]) -> set[str]:
    return {frame["run_id"] for frame in heard if "run_id" in frame}


async def test_its_session_is_where_chats_go_that_name_none(town: Street) -> None:
    session_id = await session_of(town)

    async with town.talk(town.house.ann, f"/ws/chat/{session_id}") as talk:
        await talk.says("chat", id="x", message="again")
        heard = await talk.hears_until("run.completed")
        other = await session_of(town)
        await talk.says("chat", message="there", session_id=other)
        elsewhere = await talk.hears_until("run.completed")

    assert heard[0]["reply_to"] == "x"
    assert {frame["session_id"] for frame in heard} == {session_id}
    assert {frame["session_id"] for frame in elsewhere} == {other}
    messages = await town.house.ann.get(f"/api/v1/chat/sessions/{session_id}/messages")
    assert [message["content"] for message in messages.json["items"]][2] == "again"


async def test_runs_that_others_start_in_it_are_heard_whole(town: Street) -> None:
    house, session_id = town.house, await session_of(town)

    async with (
        town.talk(house.ann, f"/ws/chat/{session_id}") as talk,
        town.talk(house.ann) as elsewhere,
    ):
        over_http = (await house.chat(house.ann, session_id=session_id)).json["run_id"]
        heard = await talk.hears_until("run.completed")
        await elsewhere.says("chat", message="hi", session_id=session_id)
        told = await elsewhere.hears_until("run.completed")
        also_heard = await talk.hears_until("run.completed")

        assert await talk.asks("ping") == {"type": "pong"}

    assert heard[0]["type"] == "run.started"
    assert runs(heard) == {over_http}
    assert also_heard == told


async def test_what_it_sends_itself_it_hears_once(town: Street) -> None:
    session_id = await session_of(town)

    async with town.talk(town.house.ann, f"/ws/chat/{session_id}") as talk:
        heard: list[Any] = []
        for _ in range(5):
            await talk.says("chat", message="hi")
            heard += await talk.hears_until("run.completed")
        last = (await town.house.chat(town.house.ann, session_id=session_id)).json
        heard += await talk.hears_until("run.completed")

    names = [(frame["run_id"], frame["id"]) for frame in heard]
    assert len(set(names)) == len(names)
    assert len(runs(heard)) == 6
    assert heard[-1]["run_id"] == last["run_id"]


async def test_a_run_that_is_at_work_already_is_heard_from_now_on(town: Street) -> None:
    house, session_id = town.house, await session_of(town)
    house.models.gate.clear()
    house.models.asked.clear()
    run = (await house.chat(house.ann, session_id=session_id, background=True)).json
    await house.models.asked.wait()

    async with town.talk(house.ann, f"/ws/chat/{session_id}") as talk:
        assert await talk.asks("ping") == {"type": "pong"}
        house.models.gate.set()
        heard = await talk.hears_until("run.completed")

    assert heard[0]["type"] == "message.delta"
    assert runs(heard) == {run["id"]}


async def test_runs_of_before_are_not_told(town: Street) -> None:
    house, session_id = town.house, await session_of(town)

    async with town.talk(house.ann, f"/ws/chat/{session_id}") as talk:
        new = (await house.chat(house.ann, session_id=session_id)).json["run_id"]
        heard = await talk.hears_until("run.completed")

    assert runs(heard) == {new}


async def test_queued_runs_are_heard_of_as_they_wait(town: Street) -> None:
    house, session_id = town.house, await session_of(town)
    house.models.gate.clear()
    house.models.asked.clear()

    async with town.talk(house.ann, f"/ws/chat/{session_id}") as talk:
        for _ in range(3):
            await house.chat(house.ann, session_id=session_id, background=True)
        await talk.hears_until("run.queued")
        await talk.hears_until("run.queued")
        house.models.gate.set()
        ended = [(await talk.hears_until("run.completed"))[-1]["run_id"] for _ in range(3)]

    assert len(set(ended)) == 3


async def test_the_session_of_somebody_else_is_not_allowed(town: Street) -> None:
    session_id = await session_of(town)

    for path in (f"/ws/chat/{session_id}", f"/ws/chat/{some_id()}"):
        async with town.talk(town.house.bob, path) as talk:
            assert await talk.is_closed() == 4403


async def test_a_ticket_may_be_for_one_session(town: Street) -> None:
    path = f"/ws/chat/{await session_of(town)}"
    made = await town.house.ann.post(
        "/api/v1/tickets", {"for": path.upper().replace("/WS/CHAT", "/ws/chat")}
    )

    async with town.talk(path=f"{path}?ticket={made.json['ticket']}") as talk:
        await talk.says("chat", message="hi")
        assert (await talk.hears_until("run.completed"))[0]["session_id"] in path
