"""Whatever is put and taken: each entry once, users in their own order, and nobody passed over."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.domain.queue import Entry
from polyagent.ports.queue import Queue
from tests.contract.queues import USERS, entry, redis_queue, rest

Deed = tuple[int, int] | int
"""A user and a priority to put, or how many to take."""

TURNS_AT_MOST = 2
"""How often another user of the same priority is served before one who waits."""

DEEDS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, len(USERS) - 1), st.integers(0, 9)),
        st.tuples(st.integers(0, 1), st.sampled_from([8, 9])),
        st.integers(1, 5),
    ),
    max_size=80,
)


class Witness:
    """Holds what is taken against what may be: the order of each user, and nobody passed over."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[int, bytes], list[Entry]] = {}
        self._passed_over: Counter[tuple[int, bytes, bytes]] = Counter()

    def put(self, entry: Entry) -> None:
        self.waiting.setdefault((entry.priority, entry.who), []).append(entry)

    def took(self, entry: Entry) -> None:
        own = self.waiting[entry.priority, entry.who]
        assert entry == own.pop(0)
        if not own:
            del self.waiting[entry.priority, entry.who]
        for priority, user in self.waiting:
            if priority == entry.priority and user != entry.who:
                self._passed_over[priority, user, entry.who] += 1
                assert self._passed_over[priority, user, entry.who] <= TURNS_AT_MOST
        for user in USERS:
            self._passed_over.pop((entry.priority, entry.who, user), None)


async def _lives(queue: Queue, deeds: Sequence[Deed]) -> None:
    """Do the deeds, then empty the queue."""
    witness = Witness()
    for deed in [*deeds, *[10] * len(deeds)]:
        if isinstance(deed, tuple):
            put = entry(USERS[deed[0]], deed[1])
            witness.put(put)
            await queue.put([put])
        else:
            for taken in await queue.take(deed, 0):
                witness.took(taken)
    assert not witness.waiting
    assert await rest(queue) == []


@given(DEEDS)
def test_every_entry_is_taken_once_in_the_order_of_its_user_in_memory(deeds: list[Deed]) -> None:
    asyncio.run(_lives(MemoryQueue(), deeds))


@settings(max_examples=40, deadline=None)
@given(DEEDS)
def test_every_entry_is_taken_once_in_the_order_of_its_user_in_redis(
    redis_url: str, deeds: list[Deed]
) -> None:
    async def lives() -> None:
        async with redis_queue(redis_url) as queue:
            await _lives(queue, deeds)

    asyncio.run(lives())
