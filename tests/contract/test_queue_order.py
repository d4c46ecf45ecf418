"""A thousand mixed entries against the rule of turns, in virtual time: each take is a tick.

Of two lanes that both have somebody waiting, one a priority higher has twice the turns; of two users who
both wait in a lane, none has two turns more than the other.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations

import pytest

from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.domain.queue import Entry
from polyagent.ports.queue import Queue
from tests.contract.queues import USERS, entry, redis_queue

COUNT = 1000


def mixed(seed: int) -> list[Entry]:
    """Return entries of all priorities; the first user has half of them."""
    dice = random.Random(seed)
    users = [USERS[0], *USERS]
    return [entry(dice.choice(users), dice.randrange(10)) for _ in range(COUNT)]


async def order_of(queue: Queue, entries: Sequence[Entry]) -> list[Entry]:
    await queue.put(entries)
    taken: list[Entry] = []
    while some := await queue.take(1, 0):
        taken += some
    return taken


def largest_lags(order: Sequence[Entry]) -> tuple[float, int]:
    """Return by how much a lane got ahead of another, in turns of the lower one, and a user of another."""
    waiting = Counter((each.priority, each.who) for each in order)
    lane_turns: Counter[int] = Counter()
    user_turns: defaultdict[int, Counter[bytes]] = defaultdict(Counter)
    lane_lag, user_lag = 0.0, 0
    for each in order:
        waiting[each.priority, each.who] -= 1
        lane_turns[each.priority] += 1
        user_turns[each.priority][each.who] += 1
        open_lanes = sorted({priority for (priority, _), count in waiting.items() if count})
        for low, high in combinations(open_lanes, 2):
            lag = lane_turns[low] - lane_turns[high] / 2 ** (high - low)
            lane_lag = max(lane_lag, abs(lag))
        turns = user_turns[each.priority]
        here = [turns[who] for (lane, who), n in waiting.items() if lane == each.priority and n]
        user_lag = max(user_lag, max(here, default=0) - min(here, default=0))
    return lane_lag, user_lag


def check(entries: Sequence[Entry], order: Sequence[Entry]) -> None:
    lane_lag, user_lag = largest_lags(order)
    for place in {(each.priority, each.who) for each in entries}:
        own = [each for each in entries if (each.priority, each.who) == place]
        assert own == [each for each in order if (each.priority, each.who) == place]
    assert len(order) == COUNT
    assert lane_lag <= 1
    assert user_lag <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_mixed_entries_have_their_turns_in_memory(seed: int) -> None:
    entries = mixed(seed)

    order = asyncio.run(order_of(MemoryQueue(), entries))

    check(entries, order)


@pytest.mark.parametrize("seed", range(2))
async def test_a_thousand_mixed_entries_have_their_turns_in_redis(
    redis_url: str, seed: int
) -> None:
    entries = mixed(seed)

    async with redis_queue(redis_url) as queue:
        order = await order_of(queue, entries)

    check(entries, order)
