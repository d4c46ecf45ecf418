"""Clients that send what they should not, too much or nothing, and those that never read."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from litestar.di import Provide
from websockets.exceptions import ConnectionClosed

from polyagent.adapters.http.socket import keeper, outbox
from polyagent.adapters.http.socket.outbox import Outbox
from polyagent.adapters.http.socket.pace import FRAMES_A_SECOND
from polyagent.adapters.http.socket.sockets import Sockets
from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.models import said
from polyagent.adapters.memory.provider import ManualClockProvider
from polyagent.settings import Limits, Server
from tests.api.client import LIMIT_S
from tests.api.house import SETTINGS, some_id
from tests.api.sockets import Street, street

RUN = str(some_id())
PATIENT = msgspec.structs.replace(SETTINGS, server=Server(write_timeout=LIMIT_S))


@pytest.fixture
async def town() -> AsyncIterator[Street]:
    async with street(SETTINGS) as town:
        yield town


def open_sockets(town: Street) -> Sockets:
    provided = town.house.app.dependencies["sockets"]
    assert isinstance(provided, Provide)
    sockets: Sockets = provided.dependency()
    return sockets


BAD = [
    ("", "invalid_request"),
    ("garbage", "invalid_request"),
    ("null", "invalid_request"),
    ("[]", "invalid_request"),
    ("{}", "invalid_request"),
    ('{"type":"dance"}', "invalid_request"),
    ('{"type":7}', "invalid_request"),
    ('{"type":"ping","extra":1}', "invalid_request"),
    ('{"type":"ping","id":{}}', "invalid_request"),
    ('{"type":"watch"}', "invalid_request"),
    ('{"type":"watch","run_id":"nobody"}', "invalid_request"),
    (f'{{"type":"watch","run_id":"{RUN}"}}', "not_found"),
    (f'{{"type":"cancel","run_id":"{RUN}"}}', "not_found"),
    ('{"type":"chat"}', "invalid_request"),
    ('{"type":"chat","message":""}', "invalid_request"),
    ('{"type":"chat","message":" \\n"}', "invalid_request"),
    ('{"type":"chat","message":7}', "invalid_request"),
    ('{"type":"chat","message":"a\\u0000b"}', "invalid_request"),
    ('{"type":"chat","message":"hi","message_":1}', "invalid_request"),
    ('{"type":"chat","message":"hi","priority":10}', "invalid_request"),
    ('{"type":"chat","message":"hi","metadata":' + "[" * 200 + "]" * 200 + "}", "invalid_request"),
    ("[" * 100_000, "invalid_request"),
    ('{"type":"chat","message":' + '"a"' * 3, "invalid_request"),
    ('{"type":"auth","token":"nonsense"}', "unauthenticated"),
    ('{"type":"approve"}', "not_supported"),
]


async def test_a_bad_frame_is_an_error_frame_and_the_socket_stays(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        for frame, code in BAD:
            await talk.sends(frame)
            answer = await talk.hears()

            assert (answer["type"], answer["code"]) == ("error", code), frame
            assert set(answer) <= {"type", "code", "detail", "retryable", "reply_to"}
        assert await talk.asks("ping") == {"type": "pong"}


async def test_a_bad_frame_that_has_a_name_is_answered_by_it(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        for named in ("x", "ü😀", 7):
            answer = await talk.asks("dance", id=named)

            assert answer["reply_to"] == named


async def test_half_a_surrogate_breaks_nothing(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        await talk.sends('{"type":"dance","id":"\\ud800"}')
        assert (await talk.hears())["code"] == "invalid_request"
        await talk.sends('{"type":"chat","message":"a\\ud800b"}')
        assert (await talk.hears())["type"] in ("error", "run.started")


async def test_a_binary_frame_is_a_bad_frame(town: Street) -> None:
    async with town.talk(town.house.ann) as talk:
        for frame in (b"", b"\xff\xfe", b'{"type":"ping"}'):
            await talk.sends(frame)

            assert (await talk.hears())["code"] == "invalid_request"


async def test_text_that_is_no_utf8_ends_its_own_socket_only(town: Street) -> None:
    async with town.talk(town.house.ann) as other:
        async with town.talk(town.house.ann) as talk:
            await talk.sends(b"\xff\xfe", text=True)
            await talk.is_closed()

        assert await other.asks("ping") == {"type": "pong"}


@pytest.mark.parametrize("kind", ["text", "binary"])
async def test_a_frame_over_one_mebibyte_closes_the_socket(town: Street, kind: str) -> None:
    fits = '{"type":"ping","id":"x"}'.ljust(1024 * 1024)
    async with town.talk(town.house.ann) as talk:
        await talk.sends(fits)
        assert await talk.hears() == {"type": "pong"}
        await talk.sends(fits + " " if kind == "text" else fits.encode() + b" ")

        assert await talk.is_closed() == 4413


async def test_a_frame_of_sixteen_megabytes_ends_its_own_socket_only(town: Street) -> None:
    async with town.talk(town.house.ann) as other:
        async with town.talk(town.house.ann) as talk:
            with suppress(ConnectionClosed):
                await talk.sends("x" * (17 * 1024 * 1024))
            await talk.is_closed()

        assert await other.asks("ping") == {"type": "pong"}


async def test_somebody_who_never_reads_holds_back_only_himself(town: Street) -> None:
    house = town.house
    long = "word " * 2000
    house.models.scripts.append(said(*[long] * 1000))
    client = await town.raw("/ws", house.ann.token or "")
    chat = json.dumps({"type": "chat", "message": "speak"}).encode()

    with client:
        head = bytes([0x81, 0x80 | len(chat)]) + b"\0\0\0\0"
        await asyncio.get_running_loop().sock_sendall(client, head + chat)
        async with asyncio.timeout(LIMIT_S):
            await house.models.asked.wait()
        listed = await house.ann.get("/api/v1/runs")
        (run,) = listed.json["items"]
        story = await house.ann.get(f"/api/v1/runs/{run['id']}/events")
        (connection,) = open_sockets(town)._open
        waiting_bytes = connection.outbox.waiting_bytes
        async with town.talk(house.bob) as other:
            assert await other.asks("ping") == {"type": "pong"}

    assert b"event: run.completed" in story.body
    assert 0 < waiting_bytes <= outbox.MAX_WAITING_BYTES + 2 * len(long)


async def test_somebody_who_never_reads_is_let_go() -> None:
    server = Server(write_timeout=0.2)
    async with street(msgspec.structs.replace(SETTINGS, server=server)) as town:
        house = town.house
        house.models.scripts.append(said(*["word " * 2000] * 1000))
        client = await town.raw("/ws", house.ann.token or "")
        chat = json.dumps({"type": "chat", "message": "speak"}).encode()
        with client:
            head = bytes([0x81, 0x80 | len(chat)]) + b"\0\0\0\0"
            await asyncio.get_running_loop().sock_sendall(client, head + chat)
            async with asyncio.timeout(LIMIT_S):
                await house.models.asked.wait()
                while open_sockets(town)._open:
                    await asyncio.sleep(0.01)


async def test_an_outbox_takes_what_fits_and_one_more() -> None:
    box = Outbox()
    frame = b"x" * (outbox.MAX_WAITING_BYTES // 4)

    putting = [asyncio.create_task(box.put(frame)) for _ in range(10)]
    await asyncio.sleep(0)
    full = box.waiting_bytes
    box.close()
    await asyncio.gather(*putting)

    assert full <= outbox.MAX_WAITING_BYTES + len(frame)
    assert len([frame async for frame in box]) == 4
    assert box.waiting_bytes == 0


async def test_more_sockets_than_there_is_room_for_are_turned_away() -> None:
    limits = Limits(sockets=1)
    async with street(msgspec.structs.replace(SETTINGS, limits=limits)) as town:
        async with town.talk(town.house.ann) as first:
            async with town.talk(town.house.bob) as second:
                assert await second.is_closed() == 4429
            assert await first.asks("ping") == {"type": "pong"}
            assert (await town.house.nobody.get("/health/live")).status == 200
        while open_sockets(town)._open:
            await asyncio.sleep(0.01)
        async with town.talk(town.house.bob) as third:
            assert await third.asks("ping") == {"type": "pong"}


@pytest.fixture
async def slow_town() -> AsyncIterator[tuple[Street, ManualClock]]:
    async with street(SETTINGS, ManualClockProvider()) as town:
        yield town, await town.house.container.get(ManualClock)


Slow = tuple[Street, ManualClock]


async def test_a_socket_on_which_nobody_says_anything_is_closed(slow_town: Slow) -> None:
    town, clock = slow_town
    async with town.talk(town.house.ann) as talk:
        assert await talk.asks("ping") == {"type": "pong"}
        closed = asyncio.create_task(talk.is_closed())
        await passes(clock, keeper.IDLE_S - 1)
        assert not closed.done()

        assert await in_time(clock, closed) == 4408


async def test_a_socket_that_waits_for_its_run_is_kept(slow_town: Slow) -> None:
    town, clock = slow_town
    town.house.models.gate.clear()
    async with town.talk(town.house.ann) as talk:
        await talk.says("chat", message="hi")
        await talk.hears_until("run.started")
        await passes(clock, keeper.IDLE_S + 1)

        assert (await talk.asks("ping"))["type"] == "pong"


async def passes(clock: ManualClock, seconds: float) -> None:
    """Let time pass in small steps, and those who sleep act in between."""
    while seconds > 0:
        clock.move(min(1.0, seconds))
        seconds -= 1.0
        for _ in range(20):
            await asyncio.sleep(0)


async def in_time(clock: ManualClock, closed: asyncio.Task[int]) -> int:
    """Let time pass until the socket is closed: it may have begun to wait a little later than we."""
    while not closed.done():
        clock.move(1.0)
        await asyncio.sleep(0.01)
    return closed.result()


async def test_a_run_that_goes_wrong_under_a_watcher_is_an_error_frame(town: Street) -> None:
    house = town.house
    house.models.gate.clear()
    async with town.talk(house.ann) as talk:
        await talk.says("chat", message="hi")
        (started,) = await talk.hears_until("run.started")
        path = f"/api/v1/chat/sessions/{started['session_id']}"
        await house.ann.request("DELETE", path)
        heard: list[Any] = [await talk.hears()]
        while heard[-1]["type"] not in ("run.cancelled", "error"):
            heard.append(await talk.hears())

        assert (await talk.asks("ping"))["type"] == "pong"


async def test_a_client_that_says_too_much_is_held_back_and_loses_nothing(slow_town: Slow) -> None:
    town, clock = slow_town
    async with town.talk(town.house.ann) as talk:
        for number in range(FRAMES_A_SECOND + 1):
            await talk.says("unwatch", run_id=RUN, id=number)
        heard = [(await talk.hears())["reply_to"] for _ in range(FRAMES_A_SECOND)]
        late = asyncio.create_task(talk.hears())
        await asyncio.wait({late}, timeout=0.2)
        was_held_back = not late.done()
        await passes(clock, 1)

        assert was_held_back
        assert heard == [*range(FRAMES_A_SECOND)]
        assert (await late)["reply_to"] == FRAMES_A_SECOND
