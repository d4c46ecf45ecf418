"""What a stream does when its source, its client or the store is not as it should be."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from polyagent.adapters.http.drain import Drain
from polyagent.adapters.http.reader import Reader
from polyagent.adapters.http.stream import COME_BACK, MAX_WAITING, PING, Events, frames
from polyagent.adapters.memory.runs.events import MemoryEvents
from polyagent.domain.account import Actor
from polyagent.domain.errors import StoreUnavailable
from polyagent.domain.event import Event, MessageDelta, RunCompleted
from polyagent.domain.ids import new_id
from polyagent.domain.run import Run
from polyagent.ports.clock import Clock
from polyagent.ports.runs import Runs
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.oversight import Oversight
from tests.api.house import House

RUN = new_id()
AT = datetime(2026, 1, 1, tzinfo=UTC)


def _delta(number: int) -> Event:
    return Event(id=number, run_id=RUN, at=AT, body=MessageDelta(step=1, part=0, text="x"))


async def _told(events: Events) -> bytes:
    return b"".join([ready async for ready in frames(events, Drain())])


async def test_silence_is_told_by_a_comment() -> None:
    async def silent() -> AsyncGenerator[Event | None, None]:
        yield None

    assert await _told(silent()) == PING


async def test_what_breaks_in_a_stream_asks_the_client_back() -> None:
    async def broken() -> AsyncGenerator[Event | None, None]:
        yield None
        raise RuntimeError("a defect")

    assert await _told(broken()) == PING + COME_BACK


async def test_a_slow_client_holds_its_source_back_and_misses_nothing() -> None:
    produced = 0

    async def many() -> AsyncGenerator[Event | None, None]:
        nonlocal produced
        for produced in range(1, 10 * MAX_WAITING + 1):
            yield _delta(produced)

    stream = frames(many(), Drain())
    first = await anext(stream)
    for _ in range(20 * MAX_WAITING):
        await asyncio.sleep(0)
    held = produced
    rest = b"".join([ready async for ready in stream])

    assert held <= 2 * MAX_WAITING + 2
    ids = [line for line in (first + rest).split(b"\n") if line.startswith(b"id: ")]
    assert ids == [b"id: %d" % number for number in range(1, 10 * MAX_WAITING + 1)]


async def test_a_reader_goes_on_after_an_outage_of_the_store(house: House) -> None:
    answer = (await house.chat(house.ann)).json
    profile = (await house.ann.get("/api/v1/users/profile")).json
    actor = Actor(
        user_id=UUID(profile["id"]), workspace_id=UUID(profile["workspace_id"]), role="member"
    )
    runs = await house.container.get(Runs)
    run = await runs.get(actor, UUID(answer["run_id"]))
    clock = await house.container.get(Clock)
    away = cast(Runs, OnceAway(runs))
    oversight = await house.container.get(Oversight)
    follow = FollowRun(away, MemoryEvents(120, clock), clock, oversight)

    heard = [event async for event in Reader(follow, Drain()).after(actor, run, 0)]

    assert heard[0] is None
    last = heard[-1]
    assert last is not None
    assert isinstance(last.body, RunCompleted)


class OnceAway:
    """A journal that fails at the first look."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._is_away = True

    async def events(self, *arguments: Any, **named: Any) -> tuple[Run, Sequence[Event]]:
        if self._is_away:
            self._is_away = False
            raise StoreUnavailable("The database is away.")
        return await self._runs.events(*arguments, **named)
