"""The live logs of one process."""

import asyncio
from uuid import UUID

import pytest

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.runs import events as memory
from polyagent.adapters.memory.runs.events import MemoryEvents
from polyagent.domain.event import EPOCH, Event, EventBody, MessageDelta, RunCancelled
from polyagent.domain.ids import new_id
from polyagent.ports.events import Feed
from tests.contract.office import NOON

LIVE_LOG_S = 120.0
END = RunCancelled("It was asked for.")
PATIENCE_S = 30


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events(clock: ManualClock) -> MemoryEvents:
    return MemoryEvents(LIVE_LOG_S, clock)


def _event(run_id: UUID, event_id: int, body: EventBody | None = None) -> Event:
    body = body or MessageDelta(1, 0, f"word {event_id} ")
    return Event(id=event_id, run_id=run_id, at=NOON, body=body)


def _says(events: MemoryEvents, run_id: UUID, *event_ids: int) -> None:
    for event_id in event_ids:
        events.publish(_event(run_id, event_id))


def _all(feed: Feed) -> list[int]:
    taken: list[int] = []
    while part := feed.take():
        taken += [event.id for event in part]
    return taken


async def _waits(feed: Feed) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await feed.wait()


async def test_a_reader_is_told_what_happens_from_its_place_on(events: MemoryEvents) -> None:
    run_id = new_id()
    events.open(run_id, 1)
    _says(events, run_id, 1, 2, 3)

    async with events.subscribe(run_id, after=2) as feed:
        before = _all(feed)
        _says(events, run_id, 4, 5)

        assert (before, _all(feed), _all(feed)) == ([3], [4, 5], [])
        assert feed.is_live


async def test_readers_do_not_take_from_each_other(events: MemoryEvents) -> None:
    run_id = new_id()
    events.open(run_id, 1)

    async with events.subscribe(run_id, 0) as one, events.subscribe(run_id, 0) as other:
        _says(events, run_id, 1)
        first = _all(one)
        _says(events, run_id, 2)

        assert (first + _all(one), _all(other)) == ([1, 2], [1, 2])


async def test_a_reader_that_waits_is_woken(events: MemoryEvents) -> None:
    run_id = new_id()
    events.open(run_id, 1)

    async with events.subscribe(run_id, 0) as feed:
        _all(feed)
        waiting = asyncio.create_task(_waits(feed))
        await asyncio.sleep(0)
        before = waiting.done()
        _says(events, run_id, 1)
        await waiting

        assert not before
        assert _all(feed) == [1]


async def test_a_reader_is_woken_by_hand(events: MemoryEvents) -> None:
    async with events.subscribe(new_id(), 0) as feed:
        waiting = asyncio.create_task(_waits(feed))
        await asyncio.sleep(0)
        feed.wake()

        await waiting


async def test_what_is_left_over_does_not_let_a_reader_sleep(events: MemoryEvents) -> None:
    run_id = new_id()
    events.open(run_id, 1)

    async with events.subscribe(run_id, 0) as feed:
        _says(events, run_id, *range(1, memory.TAKE + 2))
        feed.take()

        await _waits(feed)
        assert _all(feed) == [memory.TAKE + 1]


async def test_a_run_that_executes_elsewhere_is_not_live_until_it_comes_here(
    events: MemoryEvents,
) -> None:
    run_id = new_id()

    async with events.subscribe(run_id, 0) as feed:
        _all(feed)
        before = feed.is_live
        events.open(run_id, 1)

        assert (before, feed.is_live) == (False, True)
        await _waits(feed)


async def test_a_run_that_left_before_its_end_is_no_longer_live(events: MemoryEvents) -> None:
    run_id = new_id()
    events.open(run_id, 1)

    async with events.subscribe(run_id, 0) as feed:
        _says(events, run_id, 1)
        _all(feed)
        events.close(run_id)

        assert not feed.is_live
        await _waits(feed)


async def test_a_run_that_comes_back_goes_on_in_its_log(events: MemoryEvents) -> None:
    run_id = new_id()
    events.open(run_id, 1)
    _says(events, run_id, EPOCH + 1)
    events.close(run_id)
    events.open(run_id, 1)

    _says(events, run_id, 2 * EPOCH + 1, EPOCH + 2)

    async with events.subscribe(run_id, 0) as feed:
        assert feed.is_live
        assert _all(feed) == [EPOCH + 1, 2 * EPOCH + 1]


async def test_an_ended_run_is_told_for_a_while(events: MemoryEvents, clock: ManualClock) -> None:
    run_id = new_id()
    events.open(run_id, 1)
    _says(events, run_id, 1)
    events.publish(_event(run_id, 2, END))
    events.close(run_id)
    events.close(run_id)
    _says(events, run_id, 3)

    clock.move(LIVE_LOG_S)
    async with events.subscribe(run_id, 0) as feed:
        in_time = (feed.is_live, _all(feed))
    clock.move(1)
    async with events.subscribe(run_id, 0) as feed:
        late = (feed.is_live, _all(feed))

    assert in_time == (False, [1, 2])
    assert late == (False, [])


async def test_a_reader_that_is_too_slow_loses_its_middle(
    events: MemoryEvents,
) -> None:
    run_id = new_id()
    events.open(run_id, 1)
    long = MessageDelta(1, 0, "x" * (memory.LOG_BYTES // 4))

    async with events.subscribe(run_id, 0) as feed:
        _says(events, run_id, 1)
        first = _all(feed)
        for event_id in range(2, 9):
            events.publish(_event(run_id, event_id, long))
        rest = _all(feed)

    assert first == [1]
    assert rest[0] > 2
    assert rest == list(range(rest[0], 9))


async def test_the_oldest_logs_go_when_all_are_too_much(events: MemoryEvents) -> None:
    long = MessageDelta(1, 0, "x" * (memory.LOG_BYTES - 1000))
    runs = [new_id() for _ in range(memory.CLOSED_BYTES // memory.LOG_BYTES + 2)]
    for run_id in runs:
        events.open(run_id, 1)
        events.publish(_event(run_id, 1, long))
        events.publish(_event(run_id, 2, END))

    async with events.subscribe(runs[0], 0) as reader:
        for run_id in runs:
            events.close(run_id)
        told = (reader.is_live, _all(reader))

    async with events.subscribe(runs[-1], 0) as feed:
        assert _all(feed) == [1, 2]
    assert told == (False, [])


async def test_nothing_is_kept_of_a_run_that_nobody_reads_and_nothing_tells(
    events: MemoryEvents,
) -> None:
    async with events.subscribe(new_id(), 0):
        assert len(events._logs) == 1

    assert events._logs == {}


async def test_a_log_that_grows_after_it_was_closed_is_counted(events: MemoryEvents) -> None:
    run_id = new_id()
    long = MessageDelta(1, 0, "x" * 1_000_000)

    async with events.subscribe(run_id, 0):
        for epoch in (1, 3):
            events.open(run_id, epoch)
            events.publish(_event(run_id, epoch * EPOCH + 1, long))
            events.close(run_id)
            events.relay(_event(run_id, (epoch + 1) * EPOCH + 1, long))
        counted = events._closed_bytes

    assert counted == events._logs[run_id].size_bytes
