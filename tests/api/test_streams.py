"""Server-sent events: chats that stream, and runs that are followed."""

import asyncio

import pytest

from polyagent.adapters.memory.models import said
from tests.api.client import LIMIT_S, Answer, Exchange
from tests.api.house import House, some_id

STREAM = "/api/v1/chat/stream"


def _types(answer: Answer) -> list[str]:
    return [line.removeprefix("event: ") for line in _lines(answer, "event: ")]


def _ids(answer: Answer) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in _lines(answer, "id: ")]


def _lines(answer: Answer, start: str) -> list[str]:
    return [line for line in answer.body.decode().split("\n") if line.startswith(start)]


async def _until(exchange: Exchange, text: bytes) -> bytes:
    heard = b""
    async for chunk in exchange.body():
        heard += chunk
        if text in heard:
            return heard
    raise AssertionError(heard)


async def test_a_streamed_chat_tells_its_run_event_by_event(house: House) -> None:
    house.models.scripts.append(said("one ", "two"))

    answer = await house.ann.post(STREAM, {"message": "count"})

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["content-location"].startswith("/api/v1/runs/")
    assert _types(answer) == [
        *("run.started", "message.delta", "message.delta"),
        *("message.completed", "usage", "run.completed"),
    ]
    assert _ids(answer) == sorted(set(_ids(answer)))


async def test_a_reader_that_comes_again_hears_what_it_has_not(house: House) -> None:
    streamed = await house.ann.post(STREAM, {"message": "hi"})
    path = f"{streamed.headers['content-location']}/events"
    middle = _ids(streamed)[2]

    whole = await house.ann.get(path)
    by_header = await house.ann.get(path, last_event_id=str(middle))
    by_query = await house.ann.get(f"{path}?after={middle}")
    by_both = await house.ann.get(f"{path}?after=0", last_event_id=str(middle))

    assert whole.body == streamed.body
    rest = streamed.body[streamed.body.index(b"id: %d\n" % _ids(streamed)[3]) :]
    assert by_header.body == by_query.body == by_both.body == rest


async def test_nothing_left_of_a_finished_run_is_204(house: House) -> None:
    streamed = await house.ann.post(STREAM, {"message": "hi"})
    path = f"{streamed.headers['content-location']}/events"

    answer = await house.ann.get(path, last_event_id=str(_ids(streamed)[-1]))

    assert answer.status == 204
    assert answer.body == b""


@pytest.mark.parametrize(
    "cursor", ["", "x", "-1", "1.0", "1" * 19, "١", " 1", "20000001", "99999999", "1e3"]
)
async def test_a_cursor_that_cannot_be_is_refused(house: House, cursor: str) -> None:
    run = (await house.chat(house.ann)).json
    line = cursor.encode().decode("latin-1")

    answer = await house.ann.get(f"/api/v1/runs/{run['run_id']}/events", last_event_id=line)

    answer.as_problem(400, "cursor_invalid")


async def test_clients_that_poll_read_pages(house: House) -> None:
    run = (await house.chat(house.ann)).json
    path = f"/api/v1/runs/{run['run_id']}/events"
    seen: list[str] = []
    after, ended = 0, False

    while not ended:
        page = await house.ann.get(f"{path}?after={after}&limit=2", accept="application/json")
        assert set(page.json) == {"items", "next_after", "ended"}
        seen += [event["type"] for event in page.json["items"]]
        after, ended = page.json["next_after"], page.json["ended"]

    assert seen == ["run.started", "message.completed", "usage", "run.completed"]
    beyond = await house.ann.get(f"{path}?after={after}", accept="application/json")
    assert beyond.json == {"items": [], "next_after": after, "ended": True}


async def test_events_come_in_two_types_only(house: House) -> None:
    run = (await house.chat(house.ann)).json

    answer = await house.ann.get(f"/api/v1/runs/{run['run_id']}/events", accept="application/xml")

    answer.as_problem(406, "not_acceptable")


async def test_the_client_goes_and_the_run_goes_on(house: House) -> None:
    house.models.gate.clear()
    async with house.ann.exchange("POST", STREAM, json={"message": "hi"}) as exchange:
        await _until(exchange, b"run.started")
        exchange.leave()

    house.models.gate.set()

    story = await house.ann.get(f"{exchange.headers['content-location']}/events")
    assert _types(story)[-1] == "run.completed"


async def test_events_are_heard_as_they_happen(house: House) -> None:
    house.models.gate.clear()

    async with house.ann.exchange("POST", STREAM, json={"message": "hi"}) as exchange:
        first = await _until(exchange, b"run.started")
        house.models.gate.set()
        rest = await _until(exchange, b"run.completed")

    assert b"message.delta" not in first
    assert b"message.delta" in rest


async def test_a_stopping_process_asks_its_readers_back(house: House) -> None:
    house.models.gate.clear()

    async with house.ann.exchange("POST", STREAM, json={"message": "hi"}) as exchange:
        await _until(exchange, b"run.started")
        house.drain.begin()
        rest = b"".join([chunk async for chunk in exchange.body()])

    assert rest == b"retry: 1000\n\n"


async def test_a_process_that_stops_already_asks_at_once(house: House) -> None:
    run = (await house.chat(house.ann)).json
    house.drain.begin()

    answer = await house.ann.get(f"/api/v1/runs/{run['run_id']}/events")

    assert answer.body == b"retry: 1000\n\n"


async def test_the_stream_of_somebody_elses_run_is_not_there(house: House) -> None:
    run_id = (await house.chat(house.ann)).json["run_id"]
    absent = str(some_id())

    for tail in ("", "/events", "/events?after=5"):
        hers, none = [
            await house.bob.get(f"/api/v1/runs/{each}{tail}") for each in (run_id, absent)
        ]

        hers.as_problem(404, "not_found")
        assert hers.told(run_id) == none.told(absent)


async def test_a_repeated_stream_goes_on_behind_the_event_it_names(house: House) -> None:
    first = await house.ann.post(STREAM, {"message": "hi"}, idempotency_key="k")
    ids = _ids(first)

    rest = await house.ann.post(
        STREAM, {"message": "hi"}, idempotency_key="k", last_event_id=str(ids[-2])
    )
    nothing = await house.ann.post(
        STREAM, {"message": "hi"}, idempotency_key="k", last_event_id=str(ids[-1])
    )

    assert _ids(rest) == ids[-1:]
    assert nothing.status == 204


async def test_head_of_a_stream_has_no_body(house: House) -> None:
    house.models.gate.clear()
    run = (await house.chat(house.ann, background=True)).json
    async with asyncio.timeout(LIMIT_S):
        await house.models.asked.wait()

    answer = await house.ann.request("HEAD", f"/api/v1/runs/{run['id']}/events")

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.body == b""
