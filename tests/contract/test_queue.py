"""The order of turns: the queue in memory and the one in Redis."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from msgspec.structs import replace

from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.worker.sweep import sweep
from polyagent.domain.ids import new_id
from polyagent.domain.queue import FAR_S, Entry, Sweep, who
from polyagent.ports.queue import Queue
from polyagent.settings import Redis
from tests.contract.queues import (
    ANN,
    BOB,
    CAY,
    PATIENCE_S,
    USERS,
    entry,
    in_time,
    redis_queue,
    rest,
)
from tests.engines import Valkey


@pytest.fixture(params=["memory", "redis"])
async def queue(request: pytest.FixtureRequest) -> AsyncIterator[Queue]:
    if request.param == "memory":
        yield MemoryQueue()
        return
    async with redis_queue(request.getfixturevalue("redis_url")) as queue:
        yield queue


async def test_of_nothing_nothing_is_taken(queue: Queue) -> None:
    assert list(await queue.take(3, 0)) == []
    assert list(await queue.take(3, 0.01)) == []


async def test_what_was_put_is_taken_once_and_whole(queue: Queue) -> None:
    put = [entry(ANN, 3), entry(BOB, 3), entry(ANN, 9)]
    await queue.put(put)

    taken = [*await queue.take(1, 0), *await queue.take(5, 0)]

    assert taken == [put[2], put[0], put[1]]
    assert await rest(queue) == []


async def test_users_take_turns_however_much_one_of_them_puts(queue: Queue) -> None:
    ann = [entry(ANN) for _ in range(50)]
    await queue.put(ann)
    bob, cay = [entry(BOB) for _ in range(2)], entry(CAY)
    await queue.put([*bob, cay])

    first = await queue.take(6, 0)

    assert first == [ann[0], bob[0], cay, ann[1], bob[1], ann[2]]
    assert await rest(queue) == ann[3:]


async def test_one_who_comes_late_does_not_wait_for_turns_that_were_had(queue: Queue) -> None:
    ann = [entry(ANN) for _ in range(20)]
    await queue.put(ann)
    assert await queue.take(10, 0) == ann[:10]
    bob = [entry(BOB) for _ in range(3)]
    await queue.put(bob)

    assert await queue.take(5, 0) == [bob[0], ann[10], bob[1], ann[11], bob[2]]


async def test_a_priority_has_twice_the_turns_of_the_one_below(queue: Queue) -> None:
    await queue.put([entry(ANN, p) for _ in range(80) for p in (4, 5, 6)])

    taken = [e.priority for e in await queue.take(70, 0)]

    assert [taken.count(p) for p in (4, 5, 6)] == [10, 20, 40]


async def test_the_lowest_is_not_starved_by_the_highest(queue: Queue) -> None:
    low = [entry(ANN, 0) for _ in range(2)]
    await queue.put([*low, *(entry(BOB, 9) for _ in range(1100))])

    taken = await queue.take(2 * 513, 0)

    assert [e for e in taken if e.priority == 0] == low


async def test_a_lane_that_wakes_does_not_claim_the_turns_it_missed(queue: Queue) -> None:
    await queue.put([entry(ANN, 5) for _ in range(200)])
    await queue.take(100, 0)
    await queue.put([entry(BOB, 4) for _ in range(100)])

    taken = [e.priority for e in await queue.take(30, 0)]

    assert 9 <= taken.count(4) <= 11


async def test_the_head_goes_before_everybody_of_its_priority(queue: Queue) -> None:
    ann = [entry(ANN) for _ in range(6)]
    await queue.put(ann)
    lost = [*await queue.take(3, 0)]
    await queue.put([entry(BOB), urgent := entry(CAY, 6)])

    await queue.put(lost, head=True)

    assert [urgent, *lost] == [e for e in await queue.take(4, 0) if e.who != BOB]
    assert [e.who for e in await rest(queue)] == [BOB, ANN, ANN, ANN]


async def test_an_id_that_is_put_twice_is_taken_once(queue: Queue) -> None:
    ann, bob = [entry(ANN) for _ in range(2)], entry(BOB)
    await queue.put([ann[0], ann[0]])
    await queue.put([ann[0]])
    await queue.put([ann[0]], head=True)
    await queue.put([ann[1], bob])

    assert await rest(queue) == [ann[0], bob, ann[1]]


async def test_what_is_due_later_is_taken_then_and_not_before(queue: Queue) -> None:
    later = entry(ANN, delay_s=0.05)
    much_later = entry(BOB, delay_s=3600)
    await queue.put([later, much_later])
    before = await rest(queue)

    taken = await in_time(queue)

    assert (before, taken) == ([], [replace(later, delay_s=0.0)])
    assert await rest(queue) == []


async def test_what_is_held_back_stays_so_though_a_sweep_finds_it_due(queue: Queue) -> None:
    held = entry(ANN, delay_s=1)
    await queue.put([held], head=True)
    due = replace(held, delay_s=0.0)

    await queue.put([due], head=True)

    assert await rest(queue) == []
    assert await in_time(queue) == [due]
    assert await rest(queue) == []


async def test_what_waits_for_later_keeps_its_time(queue: Queue) -> None:
    first = entry(ANN, delay_s=0.1)
    await queue.put([first])

    await queue.put([replace(first, delay_s=3000)])

    assert await in_time(queue) == [replace(first, delay_s=0.0)]


async def test_what_is_due_in_hours_takes_no_room_until_a_sweep_finds_it_near(
    redis_url: str,
) -> None:
    name = str(new_id())
    far, near = entry(ANN, delay_s=FAR_S + 1), entry(BOB, delay_s=FAR_S - 1)
    rows = Rows(far, near)
    async with redis_queue(redis_url, name) as queue, redis_client(Redis(url=redis_url)) as redis:
        await queue.put([far])
        await sweep(queue, rows)
        assert await redis.zcard(f"{{{name}}}:later") == 1

        rows.entries = [replace(far, delay_s=0.05), near]
        async with asyncio.timeout(PATIENCE_S):
            while await redis.zcard(f"{{{name}}}:later") == 1:
                await sweep(queue, rows)

        assert await in_time(queue) == [replace(far, delay_s=0.0)]


class Rows:
    """Implements the port Backlog over rows that are all on one page."""

    def __init__(self, *entries: Entry) -> None:
        self.entries: Sequence[Entry] = entries

    async def page(self, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        return self.entries, 0

    async def depth(self) -> Mapping[str, int]:
        return {"queued": len(self.entries)}


async def test_one_who_waits_is_given_what_comes(queue: Queue) -> None:
    waiting = [asyncio.create_task(in_time(queue)) for _ in range(2)]
    await asyncio.sleep(0)
    put = [entry(ANN), entry(BOB)]

    await queue.put(put)

    taken = [e for part in await asyncio.gather(*waiting) for e in part]
    assert sorted(taken, key=lambda e: e.id) == put


async def test_what_was_offered_comes_in_its_order(queue: Queue) -> None:
    offered = [entry(ANN) for _ in range(30)]
    for each in offered:
        queue.offer(each)

    assert await in_time(queue, 30) == offered


async def test_takers_at_once_share_what_there_is(queue: Queue) -> None:
    put = [entry(user) for _ in range(40) for user in USERS]
    await queue.put(put)

    parts = await asyncio.gather(*(queue.take(7, 0) for _ in range(40)))

    taken = [e for part in parts for e in part]
    assert sorted(taken, key=lambda e: e.id) == put


async def test_the_first_sweep_rebuilds(queue: Queue) -> None:
    assert await queue.begin_sweep() == Sweep(after=0, is_rebuild=True)


async def test_one_process_sweeps_at_a_time_and_goes_on_where_the_last_ended(
    redis_url: str,
) -> None:
    name = str(new_id())
    async with redis_queue(redis_url, name) as one, redis_queue(redis_url, name) as other:
        began = await asyncio.gather(*(queue.begin_sweep() for queue in (one, other) * 5))
        await other.end_sweep(42)

        async with asyncio.timeout(PATIENCE_S):
            while (again := await one.begin_sweep()) is None:
                pass

    assert [sweep for sweep in began if sweep] == [Sweep(after=0, is_rebuild=True)]
    assert again == Sweep(after=42, is_rebuild=False)


async def test_after_a_flush_one_process_rebuilds(valkey: Valkey, redis_url: str) -> None:
    async with redis_queue(redis_url) as queue:
        await queue.begin_sweep()
        put = [entry(user) for _ in range(3) for user in (ANN, BOB)]
        await queue.put(put)

        valkey.flush()
        began = [await queue.begin_sweep() for _ in range(2)]
        await queue.put(put)

        assert began == [Sweep(after=0, is_rebuild=True), None]
        assert await rest(queue) == put


async def test_users_without_turns_are_forgotten_while_others_wait(redis_url: str) -> None:
    name = str(new_id())
    async with redis_queue(redis_url, name) as queue, redis_client(Redis(url=redis_url)) as redis:
        await queue.put([entry(who(new_id())) for _ in range(700)])
        await queue.take(700 - 1, 0)
        await queue.put([entry(ANN), entry(ANN), entry(ANN)])
        assert await redis.hlen(f"{{{name}}}:tails:5") == 701
        await queue.take(3, 0)

        async with asyncio.timeout(PATIENCE_S):
            while await redis.hlen(f"{{{name}}}:tails:5") > 1:
                await queue.begin_sweep()

        assert await redis.hkeys(f"{{{name}}}:tails:5") == [ANN]
        assert len(await rest(queue)) == 1


def test_who_is_sixteen_bytes_and_no_text() -> None:
    user_id = new_id()
    names = [None, "", "carol", "c" * 10_000, "\ud800", f"{user_id}"]

    hashes = [who(user_id, name) for name in names]

    assert {len(each) for each in hashes} == {16}
    assert len({*hashes, who(new_id(), "carol")}) == 1 + len(names) - 1
    assert hashes[2] == who(user_id, "carol")
