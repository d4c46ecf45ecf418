"""What is said over a socket: chats, watches, cancels."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from polyagent.adapters.http.socket.watches import MAX_WATCHES
from polyagent.adapters.memory.models import said
from tests.api.client import LIMIT_S
from tests.api.house import SETTINGS, some_id
from tests.api.sockets import Street, street


@pytest.fixture
async def town() -> AsyncIterator[Street]:
    async with street(SETTINGS) as town:
        yield town


def types(heard: list[Any]) -> list[str]:
    return [frame["type"] for frame in heard]


def ids(heard: list[Any]) -> list[int]:
    return [frame["id"] for frame in heard]


async def test_a_chat_is_answered_event_by_event(town: Street) -> None:
    town.house.models.scripts.append(said("one ", "two"))

    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", id="mine", message="count")
        heard = await talk.hears_until("run.completed")

    assert types(heard) == [
        *("run.started", "message.delta", "message.delta"),
        *("message.completed", "usage", "run.completed"),
    ]
    assert [frame.get("reply_to") for frame in heard] == ["mine", None, None, None, None, None]
    assert ids(heard) == sorted(set(ids(heard)))


async def test_events_are_the_same_on_every_transport(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", message="hi")
        heard = await talk.hears_until("run.completed")

    path = f"/api/v1/runs/{heard[0]['run_id']}/events"
    streamed = await town.house.ann.get(path)
    lines = streamed.body.decode().splitlines()
    assert heard == [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


async def test_a_frame_without_a_name_is_answered_without_one(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", message="hi")
        heard = await talk.hears_until("run.completed")

        assert await talk.asks("ping") == {"type": "pong"}
    assert not any("reply_to" in frame for frame in heard)


async def test_chats_of_many_sessions_go_on_at_once(town: Street) -> None:
    town.house.models.gate.clear()

    async with town.talk(town.house.ann) as talk:
        for name in ("a", "b", "c"):
            await talk.says("chat", id=name, message=name)
        begun = [await talk.hears() for _ in range(3)]
        town.house.models.gate.set()
        ended = [(await talk.hears_until("run.completed"))[-1]["run_id"] for _ in range(3)]

    assert {frame["reply_to"] for frame in begun} == {"a", "b", "c"}
    assert {frame["run_id"] for frame in begun} == set(ended)


async def test_a_chat_in_the_background_is_told_too(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", id="later", message="hi", background=True)
        heard = await talk.hears_until("run.completed")

    assert types(heard)[:2] == ["run.queued", "run.started"]
    assert heard[0]["reply_to"] == "later"


async def test_a_chat_may_say_that_it_streams_but_not_that_it_does_not(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        refused = await talk.asks("chat", id="x", message="hi", stream=False)
        await talk.says("chat", message="hi", stream=True)
        heard = await talk.hears_until("run.completed")

    assert (refused["type"], refused["code"]) == ("error", "invalid_request")
    assert heard


async def test_a_chat_that_cannot_be_is_refused_as_over_http(town: Street) -> None:
    session_id = (await town.house.chat(town.house.bob)).json["session_id"]
    asks: list[tuple[dict[str, Any], str]] = [
        ({"session_id": session_id}, "not_found"),
        ({"session_id": str(some_id())}, "not_found"),
        ({"agent_id": str(some_id())}, "not_found"),
        ({"tools": ["hammer"]}, "tool_unknown"),
        ({"policy": "steer"}, "not_supported"),
        ({"stream": True, "background": True}, "invalid_request"),
    ]

    async with town.talk(town.house.ann) as talk:
        for ask, code in asks:
            answer = await talk.asks("chat", id="x", message="hi", **ask)

            assert (answer["type"], answer["code"]) == ("error", code)
            assert answer["retryable"] is False
            assert answer["reply_to"] == "x"
            assert answer["detail"]


async def test_a_run_is_watched_from_its_start_or_behind_an_event(town: Street) -> None:
    run_id = (await town.house.chat(town.house.ann)).json["run_id"]

    async with town.talk(town.house.ann) as talk:
        await talk.says("watch", run_id=run_id)
        whole = await talk.hears_until("run.completed")
        await talk.says("watch", run_id=run_id, after=ids(whole)[2])
        rest = await talk.hears_until("run.completed")
        nothing = await talk.asks("watch", id="end", run_id=run_id, after=ids(whole)[-1])

    assert rest == whole[3:]
    assert nothing == {"type": "ok", "reply_to": "end"}


@pytest.mark.parametrize(
    "cursor",
    ["-1", "1.5", "1e3", '"x"', '""', "[]", "true", "20000001", "99999999999999999", "1" * 400],
)
async def test_a_cursor_that_cannot_be_is_refused(town: Street, cursor: str) -> None:
    run_id = (await town.house.chat(town.house.ann)).json["run_id"]

    async with town.talk(town.house.ann) as talk:
        await talk.sends(f'{{"type":"watch","id":"w","run_id":"{run_id}","after":{cursor}}}')
        answer = await talk.hears()

    assert (answer["code"], answer["reply_to"]) == ("cursor_invalid", "w")


async def test_the_run_of_somebody_else_is_not_there(town: Street) -> None:
    run_id = (await town.house.chat(town.house.ann)).json["run_id"]

    async with town.talk(town.house.bob) as talk:
        for kind in ("watch", "cancel"):
            hers = await talk.asks(kind, run_id=run_id)
            none = await talk.asks(kind, run_id=str(some_id()))

            assert hers["code"] == none["code"] == "not_found"


async def test_a_run_that_is_watched_twice_is_told_anew(town: Street) -> None:
    town.house.models.gate.clear()

    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", message="hi")
        (started,) = await talk.hears_until("run.started")
        await talk.says("watch", run_id=started["run_id"])
        again = await talk.hears()
        town.house.models.gate.set()
        rest = await talk.hears_until("run.completed")

    assert again == started
    assert ids(rest) == sorted(set(ids(rest)))
    assert types(rest).count("message.completed") == 1


async def test_what_is_unwatched_is_not_heard_of_again(town: Street) -> None:
    house = town.house
    house.models.gate.clear()

    async with town.talk(house.ann) as talk:
        await talk.says("chat", message="hi")
        (started,) = await talk.hears_until("run.started")
        for name in ("once", "twice"):
            answer = await talk.asks("unwatch", id=name, run_id=started["run_id"])
            assert answer == {"type": "ok", "reply_to": name}
        house.models.gate.set()
        ended = await house.ann.get(f"/api/v1/runs/{started['run_id']}/events")

        assert b"run.completed" in ended.body
        assert await talk.asks("ping") == {"type": "pong"}


async def test_a_run_is_cancelled_and_a_finished_one_is_not(town: Street) -> None:
    town.house.models.gate.clear()

    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", message="hi")
        (started,) = await talk.hears_until("run.started")
        await talk.says("cancel", id="c", run_id=started["run_id"])
        heard = await talk.hears_until("run.cancelled")
        heard += [] if "ok" in types(heard) else [await talk.hears()]
        again = await talk.asks("cancel", run_id=started["run_id"])
        town.house.models.gate.set()
        await talk.says("chat", message="hi")
        completed = (await talk.hears_until("run.completed"))[-1]
        late = await talk.asks("cancel", run_id=completed["run_id"])

    assert {"type": "ok", "reply_to": "c"} in heard
    assert again == {"type": "ok"}
    assert late["code"] == "run_finished"


async def test_approvals_come_later(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        answer = await talk.asks("approve", id=1, approval_id=str(some_id()), decision="approve")

    assert (answer["code"], answer["reply_to"]) == ("not_supported", 1)


async def test_a_socket_watches_a_hundred_runs_and_no_more(town: Street) -> None:
    town.house.models.gate.clear()

    async with town.talk(town.house.ann) as talk:
        for _ in range(MAX_WATCHES):
            await talk.says("chat", message="hi")
            assert (await talk.hears())["type"] in ("run.started", "run.queued")
        chat = await talk.asks("chat", id="x", message="hi")
        run = (await town.house.chat(town.house.ann, background=True)).json
        watch = await talk.asks("watch", run_id=run["id"])
        town.house.models.gate.set()
        await talk.hears_until("run.completed")
        await talk.says("chat", id="y", message="hi")
        heard = await talk.hears()
        while "reply_to" not in heard:
            heard = await talk.hears()

    assert (chat["code"], chat["retryable"], watch["code"]) == ("limited", True, "limited")
    assert (heard["type"].startswith("run."), heard["reply_to"]) == (True, "y")


async def test_the_client_goes_and_the_run_goes_on(town: Street) -> None:
    town.house.models.gate.clear()
    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", message="hi")
        (started,) = await talk.hears_until("run.started")

    town.house.models.gate.set()

    async with asyncio.timeout(LIMIT_S):
        story = await town.house.ann.get(f"/api/v1/runs/{started['run_id']}/events")
    assert b"run.completed" in story.body
