"""Queued runs, over real engines: in their order, whatever becomes of Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from polyagent.domain.errors import SessionBusy
from polyagent.domain.run import Run
from tests.engines import Valkey
from tests.worker.fleet import PATIENCE_S, Fleet, Process

TIMES = 20


@pytest.fixture(scope="module")
def own_valkey(engines_root: Path) -> Iterator[Valkey]:
    """A Valkey that these tests may stop."""
    root = engines_root / "queued"
    root.mkdir(mode=0o711)
    valkey = Valkey(root)
    try:
        yield valkey
    finally:
        valkey.stop()


@pytest.fixture
async def fleet(postgres_url: str, own_valkey: Valkey) -> AsyncIterator[Fleet]:
    own_valkey.stop()
    own_valkey.start()
    async with Fleet(postgres_url, own_valkey.url) as fleet:
        yield fleet


async def answered(process: Process, fleet: Fleet, run: Run) -> list[str]:
    """Return what was asked in a session, once each question has its answer."""
    messages = await process.messages(fleet.ann, run.session_id)
    assert [m.role for m in messages] == ["user", "assistant"] * (len(messages) // 2)
    asked = [m.content for m in messages if m.role == "user"]
    assert [m.content for m in messages if m.role == "assistant"] == [
        f"You said: {text}" for text in asked
    ]
    return asked


async def test_many_at_once_in_a_session_run_one_after_another(fleet: Fleet) -> None:
    processes = [await fleet.joins() for _ in range(3)]
    first = await processes[0].asks(fleet.ann, "first")
    await processes[0].ends(fleet.ann, first)
    fleet.models.gate.clear()

    runs = await asyncio.gather(
        *(
            processes[n % 3].asks(fleet.ann, str(n), session_id=first.session_id, priority=n % 10)
            for n in range(TIMES)
        )
    )
    order = sorted(range(TIMES), key=lambda n: runs[n].position or 0)
    fleet.models.gate.set()
    ends = await processes[1].ends(fleet.ann, *runs)

    assert ends == ["completed"] * TIMES
    assert [runs[n].position for n in order] == [None, *range(1, TIMES)]
    assert await answered(processes[2], fleet, first) == ["first", *map(str, order)]


async def test_a_run_that_will_not_wait_is_refused_on_any_process(fleet: Fleet) -> None:
    here, there = await fleet.joins(), await fleet.joins()
    fleet.models.gate.clear()
    run = await here.asks(fleet.ann, "first")

    with pytest.raises(SessionBusy):
        await there.asks(fleet.ann, "second", session_id=run.session_id, policy="reject")


async def test_a_background_run_is_executed_by_whoever_is_there(fleet: Fleet) -> None:
    gateway = await fleet.idle()
    early = await gateway.queues(fleet.ann, "early")
    await fleet.joins()
    late = await gateway.queues(fleet.ann, "late")

    assert await gateway.ends(fleet.ann, early, late) == ["completed"] * 2


async def test_users_take_turns(fleet: Fleet) -> None:
    gateway = await fleet.idle()
    runs = [await gateway.queues(fleet.ann, f"ann {n}") for n in range(6)]
    others = [await gateway.queues(fleet.bob, f"bob {n}") for n in range(2)]

    await fleet.joins(places=1)
    await gateway.ends(fleet.ann, *runs)
    await gateway.ends(fleet.bob, *others)

    assert fleet.models.asked == [
        *("ann 0", "bob 0", "ann 1", "bob 1"),
        *("ann 2", "ann 3", "ann 4", "ann 5"),
    ]


async def test_the_queue_outlives_a_flush(fleet: Fleet, own_valkey: Valkey) -> None:
    process = await fleet.joins(places=1)
    fleet.models.gate.clear()
    first = await process.asks(fleet.ann, "first")
    runs = [await process.queues(fleet.ann, f"{n}") for n in range(5)]
    next_ = await process.queues(fleet.ann, "next", session_id=first.session_id)
    await fleet.asked(1)

    own_valkey.flush()
    fleet.models.gate.set()

    assert await process.ends(fleet.ann, first, *runs, next_) == ["completed"] * 7


async def test_an_id_that_was_lost_on_its_way_is_found(fleet: Fleet) -> None:
    gateway = await fleet.idle()
    run = await gateway.queues(fleet.ann, "lost")
    async with asyncio.timeout(PATIENCE_S):
        while not await gateway.queue.take(1, 1):
            pass

    await fleet.joins()

    assert await gateway.ends(fleet.ann, run) == ["completed"]


async def test_without_redis_runs_go_on_and_with_it_again_too(
    fleet: Fleet, own_valkey: Valkey
) -> None:
    process = await fleet.joins(places=2)
    before = await process.queues(fleet.ann, "before")
    assert await process.ends(fleet.ann, before) == ["completed"]

    own_valkey.stop()
    during = [await process.queues(fleet.ann, "during", session_id=before.session_id)]
    during += [await process.queues(fleet.ann, f"{n}") for n in range(5)]
    assert await process.ends(fleet.ann, *during) == ["completed"] * 6
    fleet.models.gate.clear()
    busy = [await process.asks(fleet.ann, "busy") for _ in range(2)]
    across = await process.queues(fleet.ann, "across")
    own_valkey.start()
    fleet.models.gate.set()
    after = await process.queues(fleet.ann, "after", session_id=before.session_id)

    assert await process.ends(fleet.ann, *busy, across, after) == ["completed"] * 4
    async with asyncio.timeout(PATIENCE_S):
        while await process.queue.begin_sweep() is None:
            pass


async def test_a_redis_that_hangs_holds_nothing_up(fleet: Fleet, own_valkey: Valkey) -> None:
    process = await fleet.joins()

    own_valkey.pause()
    run = await process.queues(fleet.ann, "hello")
    ended = await process.ends(fleet.ann, run)
    own_valkey.resume()
    again = await process.queues(fleet.ann, "again", session_id=run.session_id)

    assert ended == ["completed"]
    assert await process.ends(fleet.ann, again) == ["completed"]


async def test_a_cancelled_one_lets_the_next_begin(fleet: Fleet) -> None:
    gateway = await fleet.idle()
    first = await gateway.queues(fleet.ann, "first")
    second = await gateway.queues(fleet.ann, "second", session_id=first.session_id)
    await gateway.runs.cancel(fleet.ann, first.id)

    await fleet.joins()

    assert await gateway.ends(fleet.ann, first, second) == ["cancelled", "completed"]


async def test_a_process_that_drains_leaves_the_queue_to_others(fleet: Fleet) -> None:
    first = await fleet.joins()
    await first.executor.drain()
    run = await first.queues(fleet.ann, "hello")

    second = await fleet.joins()

    assert await second.ends(fleet.ann, run) == ["completed"]


async def test_a_place_that_was_taken_meanwhile_is_not_given_twice(fleet: Fleet) -> None:
    gateway, small = await fleet.idle(), await fleet.joins(places=1)
    fleet.models.gate.clear()
    await fleet.waiting(1)
    await small.asks(fleet.ann, "first")
    run = await gateway.queues(fleet.ann, "second")
    large = await fleet.joins()

    await fleet.asked(2)

    assert (small.executor.free, large.executor.free) == (0, 15)
    assert (await gateway.runs.get(fleet.ann, run.id)).status == "running"
