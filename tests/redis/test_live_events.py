"""Live events between processes: each `Process` here has its own memory, connections and readers."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from uuid import UUID

import pytest
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.memory.runs.events import MemoryEvents
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.live.events import RedisEvents
from polyagent.adapters.redis.live.log import EVENT_BYTES, key_of, read
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.event import (
    EPOCH,
    Event,
    EventBody,
    MessageDelta,
    RunCancelled,
    RunResumed,
    RunStarted,
)
from polyagent.domain.ids import new_id
from polyagent.domain.run import Tail
from polyagent.ports.events import Feed
from polyagent.ports.runs import Runs
from polyagent.settings import Redis
from tests.contract.office import NOON
from tests.engines import Valkey

PATIENCE_S = 30
LIVE_LOG_S = 120
END = RunCancelled("It was asked for.")


class Journal:
    """What was committed, for all processes."""

    def __init__(self) -> None:
        self.events: defaultdict[UUID, list[Event]] = defaultdict(list)

    async def journaled(self, run_id: UUID) -> Sequence[Event]:
        return self.events[run_id]

    async def tails(self, run_ids: Collection[UUID]) -> Mapping[UUID, Tail]:
        return {}


class Process:
    def __init__(self, client: RedisClient, journal: Journal) -> None:
        self.client = client
        self.logs = MemoryEvents(LIVE_LOG_S, SystemClock())
        self.journal = journal
        self.events = RedisEvents(
            client,
            self.logs,
            cast(Runs, journal),
            SystemClock(),
            live_log_s=LIVE_LOG_S,
            timeout_s=0.5,
        )

    def begins(self, run_id: UUID, epoch: int = 1) -> None:
        """Execute a run from here on: its claim is journaled first."""
        self.events.open(run_id, epoch)
        body = RunStarted(new_id(), 1, 1) if epoch == 1 else RunResumed(epoch, "takeover", 1)
        self.commits(run_id, epoch * EPOCH + 1, body)

    def commits(self, run_id: UUID, event_id: int, body: EventBody) -> None:
        event = Event(id=event_id, run_id=run_id, at=NOON, body=body)
        self.journal.events[run_id].append(event)
        self.events.publish(event)

    def says(self, run_id: UUID, *event_ids: int) -> None:
        for n in event_ids:
            body = MessageDelta(1, 0, f"word {n} ")
            self.events.publish(Event(id=n, run_id=run_id, at=NOON, body=body))


Start = Callable[[], Any]


@asynccontextmanager
async def _process(redis_url: str, journal: Journal) -> AsyncIterator[Process]:
    client = redis_client(Redis(url=redis_url))
    process = Process(client, journal)
    async with process.events.running():
        yield process
    await client.aclose()


@pytest.fixture
async def start(redis_url: str) -> AsyncIterator[Start]:
    journal = Journal()
    async with AsyncExitStack() as stack, asyncio.timeout(4 * PATIENCE_S):
        yield lambda: stack.enter_async_context(_process(redis_url, journal))


async def _until(feed: Feed, last: int, heard: list[int] | None = None) -> list[int]:
    """Read until that event."""
    heard = [] if heard is None else heard
    async with asyncio.timeout(PATIENCE_S):
        while last not in heard:
            taken = feed.take()
            heard += [event.id for event in taken]
            if not taken:
                await feed.wait()
    return heard


async def _logged(process: Process, run_id: UUID) -> list[int]:
    return [event.id async for event in read(process.client, run_id, 0)]


async def _eventually_logged(process: Process, run_id: UUID, ids: list[int]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await _logged(process, run_id) != ids:
            await asyncio.sleep(0.01)


def _ids(epoch: int, count: int) -> list[int]:
    return [epoch * EPOCH + n for n in range(1, count + 1)]


async def test_a_reader_elsewhere_hears_everything_in_order(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    ids = _ids(1, 200)

    async with there.events.subscribe(run_id, 0) as feed:
        here.begins(run_id)
        for event_id in ids[1:]:
            here.says(run_id, event_id)
            await asyncio.sleep(0)
        here.commits(run_id, ids[-1] + 1, END)
        here.events.close(run_id)

        assert not feed.is_live
        assert await _until(feed, ids[-1] + 1) == [*ids, ids[-1] + 1]


async def test_a_reader_that_comes_later_hears_what_was_before(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    here.begins(run_id)
    here.says(run_id, *_ids(1, 300)[1:])
    await here.events.flush(run_id)

    async with there.events.subscribe(run_id, 0) as feed:
        before = [event.id for event in feed.take()]
        here.says(run_id, EPOCH + 301)
        heard = await _until(feed, EPOCH + 301, list(before))

    assert before
    assert heard == _ids(1, 301)


async def test_readers_come_and_go_while_much_is_said(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    here.begins(run_id)

    async def read_from(place: int) -> list[int]:
        async with there.events.subscribe(run_id, place) as feed:
            return [n for n in await _until(feed, EPOCH + 2000) if n > place]

    places = [EPOCH + 1 + 97 * n for n in range(20)]
    readers: list[asyncio.Task[list[int]]] = []
    for n in range(2, 2001):
        here.says(run_id, EPOCH + n)
        if n % 90 == 0 and len(readers) < len(places):
            readers.append(asyncio.create_task(read_from(places[len(readers)])))
            await asyncio.sleep(0.002)
    heard = await asyncio.gather(*readers)

    assert heard == [[*range(place + 1, EPOCH + 2001)] for place in places]


async def test_the_log_outlives_its_run_for_a_while(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    here.begins(run_id)
    here.commits(run_id, EPOCH + 2, END)
    here.events.close(run_id)
    await _eventually_logged(there, run_id, _ids(1, 2))

    async with asyncio.timeout(PATIENCE_S):
        while not 0 < await here.client.ttl(key_of(run_id)) <= LIVE_LOG_S:
            await asyncio.sleep(0.01)


async def test_a_flushed_log_is_written_anew_from_memory(start: Start, valkey: Valkey) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    here.begins(run_id)
    async with there.events.subscribe(run_id, 0) as feed:
        here.says(run_id, *_ids(1, 50)[1:])
        heard = await _until(feed, EPOCH + 50)
        valkey.flush()
        here.says(run_id, EPOCH + 51)
        heard = await _until(feed, EPOCH + 51, heard)

    assert heard == _ids(1, 51)
    await _eventually_logged(there, run_id, _ids(1, 51))


async def test_readers_elsewhere_catch_up_when_redis_is_back(start: Start, valkey: Valkey) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    here.begins(run_id)
    async with there.events.subscribe(run_id, 0) as feed:
        here.says(run_id, *_ids(1, 20)[1:])
        heard = await _until(feed, EPOCH + 20)
        valkey.stop()
        here.says(run_id, EPOCH + 21, EPOCH + 22)
        await here.events.flush(run_id)
        here.says(run_id, EPOCH + 23)
        valkey.start()
        here.says(run_id, EPOCH + 24)
        heard = await _until(feed, EPOCH + 24, heard)

    assert heard == _ids(1, 24)


async def test_a_reader_here_does_not_need_redis(start: Start, valkey: Valkey) -> None:
    here = await start()
    run_id = new_id()
    valkey.stop()
    try:
        here.begins(run_id)
        async with here.events.subscribe(run_id, 0) as feed:
            here.says(run_id, EPOCH + 2)
            await here.events.flush(run_id)

            assert feed.is_live
            assert await _until(feed, EPOCH + 2) == _ids(1, 2)
    finally:
        valkey.start()


async def test_a_takeover_puts_into_the_log_what_the_dead_did_not(start: Start) -> None:
    dead, heir, reader = await start(), await start(), await start()
    run_id = new_id()
    dead.begins(run_id)
    dead.says(run_id, EPOCH + 2)
    await dead.events.flush(run_id)
    unheard = Event(id=EPOCH + 3, run_id=run_id, at=NOON, body=RunResumed(2, "retry", 1))
    dead.journal.events[run_id].append(unheard)  # committed, and killed before it was told

    async with reader.events.subscribe(run_id, 0) as feed:
        heir.begins(run_id, epoch=2)
        heir.says(run_id, 2 * EPOCH + 2)
        heard = await _until(feed, 2 * EPOCH + 2)

    whole = [*_ids(1, 3), *_ids(2, 2)]
    assert heard == whole
    await _eventually_logged(reader, run_id, whole)


async def test_a_hole_before_the_end_of_the_log_is_filled(start: Start) -> None:
    dead, heir = await start(), await start()
    run_id = new_id()
    dead.begins(run_id)
    await dead.events.flush(run_id)
    unheard = Event(id=EPOCH + 2, run_id=run_id, at=NOON, body=RunResumed(2, "retry", 1))
    dead.journal.events[run_id].append(unheard)
    dead.says(run_id, EPOCH + 3)
    await dead.events.flush(run_id)

    heir.begins(run_id, epoch=2)

    await _eventually_logged(heir, run_id, [*_ids(1, 3), 2 * EPOCH + 1])


async def test_a_zombie_writes_nothing_behind_its_heir(start: Start) -> None:
    zombie, heir, reader = await start(), await start(), await start()
    run_id = new_id()
    zombie.begins(run_id)
    zombie.says(run_id, EPOCH + 2)
    await zombie.events.flush(run_id)

    async with reader.events.subscribe(run_id, 0) as feed:
        heir.begins(run_id, epoch=2)
        heard = await _until(feed, 2 * EPOCH + 1)
        zombie.says(run_id, EPOCH + 3, EPOCH + 4)
        await zombie.events.flush(run_id)
        heir.says(run_id, 2 * EPOCH + 2)
        heard = await _until(feed, 2 * EPOCH + 2, heard)

    assert heard == [*_ids(1, 2), *_ids(2, 2)]
    assert await _logged(reader, run_id) == heard


async def test_a_reader_stays_when_its_run_leaves_for_another_process(start: Start) -> None:
    first, second = await start(), await start()
    run_id = new_id()
    first.begins(run_id)

    async with first.events.subscribe(run_id, 0) as feed:
        first.says(run_id, EPOCH + 2)
        was_live = feed.is_live
        first.events.close(run_id)
        second.begins(run_id, epoch=2)
        second.says(run_id, 2 * EPOCH + 2)
        heard = await _until(feed, 2 * EPOCH + 2)

        assert (was_live, feed.is_live) == (True, False)
        assert heard == [*_ids(1, 2), *_ids(2, 2)]


async def test_every_process_hears_of_a_cancelled_run(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    heard = asyncio.Event()
    there.events.on_cancelled(lambda cancelled: heard.set() if cancelled == run_id else None)

    async with asyncio.timeout(PATIENCE_S):
        while not heard.is_set():
            here.events.cancelled(run_id)  # a hint may come before anybody listens
            await asyncio.sleep(0.05)


async def test_nobody_stays_subscribed_without_readers(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    here.begins(run_id)
    channel = b"run:{%b}:events" % str(run_id).encode()

    async with there.events.subscribe(run_id, 0):
        ((_, count),) = await here.client.pubsub_numsub(channel)
    async with asyncio.timeout(PATIENCE_S):
        while (await here.client.pubsub_numsub(channel))[0][1]:
            await asyncio.sleep(0.01)

    assert count == 1


async def test_a_large_event_is_left_to_the_journal(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    here.begins(run_id)

    async with there.events.subscribe(run_id, 0) as feed:
        here.commits(run_id, EPOCH + 2, RunCancelled("x" * EVENT_BYTES))
        here.says(run_id, EPOCH + 3)
        heard = await _until(feed, EPOCH + 3)

    assert heard == [EPOCH + 1, EPOCH + 3]


async def test_a_log_that_redis_had_no_room_for_is_written_when_it_has(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    await here.client.config_set("maxmemory", "1")
    try:
        here.begins(run_id)
        here.says(run_id, EPOCH + 2)
        await here.events.flush(run_id)
        before = await _logged(there, run_id)
    finally:
        await here.client.config_set("maxmemory", "0")

    assert before == []
    await _eventually_logged(there, run_id, _ids(1, 2))


async def test_nonsense_on_a_channel_deafens_nobody(start: Start) -> None:
    here, there = await start(), await start()
    run_id = new_id()
    heard = asyncio.Event()
    there.events.on_cancelled(lambda cancelled: heard.set() if cancelled == run_id else None)
    async with asyncio.timeout(PATIENCE_S):
        while not await here.client.publish("polyagent:cancelled", b"nonsense"):
            await asyncio.sleep(0.01)
        while not heard.is_set():
            here.events.cancelled(run_id)
            await asyncio.sleep(0.05)
