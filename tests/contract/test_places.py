"""What every count of places does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid1

import pytest

from polyagent.adapters.memory.limits import MemoryPlaces
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.limits import places as redis_places
from polyagent.adapters.redis.limits.places import RedisPlaces
from polyagent.adapters.system.clock import SystemClock
from polyagent.ports.limits import Places
from polyagent.settings import Redis

LIMIT_S = 30


@asynccontextmanager
async def shared(url: str) -> AsyncIterator[RedisPlaces]:
    client = redis_client(Redis(url=url))
    places = RedisPlaces(client, SystemClock(), timeout_s=LIMIT_S)
    yield places
    await places.aclose()
    await client.aclose()


@pytest.fixture(params=["memory", "redis"])
async def places(request: pytest.FixtureRequest) -> AsyncIterator[Places]:
    if request.param == "memory":
        yield MemoryPlaces()
        return
    async with shared(request.getfixturevalue("redis_url")) as places:
        yield places


async def enters(places: Places, whose: str, most: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await places.enter("streams", whose, most, exact=True):
            await asyncio.sleep(0.05)


async def test_so_many_have_room_and_no_more(places: Places) -> None:
    ann, bob = uuid1().hex, uuid1().hex

    entered = await asyncio.gather(
        *(places.enter("streams", ann, 50, exact=True) for _ in range(70))
    )

    assert sum(entered) == 50
    assert await places.enter("streams", bob, 50, exact=True)
    assert await places.enter("sockets", ann, 50, exact=True)


async def test_whoever_leaves_makes_room(places: Places) -> None:
    ann = uuid1().hex
    assert await places.enter("streams", ann, 1, exact=True)
    assert not await places.enter("streams", ann, 1, exact=True)

    places.leave("streams", ann)

    assert await places.enter("streams", ann, 1, exact=True)
    assert not await places.enter("streams", ann, 1, exact=True)


async def test_processes_share_places(redis_url: str) -> None:
    ann = uuid1().hex
    async with shared(redis_url) as here, shared(redis_url) as there:
        entered = [await here.enter("streams", ann, 3, exact=True) for _ in range(2)]
        entered += [await there.enter("streams", ann, 3, exact=True) for _ in range(2)]
        here.leave("streams", ann)
        await enters(there, ann, 3)

        assert entered == [True, True, True, False]
        assert not await here.enter("streams", ann, 3, exact=True)


async def test_a_dead_process_holds_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_places, "LEASE_S", 0.3)
    ann = uuid1().hex
    async with shared(redis_url) as here, shared(redis_url) as there:
        assert await here.enter("streams", ann, 1, exact=True)
        assert here._telling
        here._telling.cancel()  # as if it were killed

        await enters(there, ann, 1)


async def test_a_living_process_keeps_its_places(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_places, "LEASE_S", 3.0)
    monkeypatch.setattr(redis_places, "RENEW_S", 0.05)
    ann = uuid1().hex
    client = redis_client(Redis(url=redis_url))
    async with shared(redis_url) as here:
        await here.enter("streams", ann, 1, exact=True)
        (first,) = (await client.hgetall(f"{{limits}}:open:streams:{ann}")).values()

        async with asyncio.timeout(LIMIT_S):
            while (await client.hgetall(f"{{limits}}:open:streams:{ann}")).popitem()[1] == first:
                await here.enter("streams", uuid1().hex, 1, exact=True)  # something always changes
    await client.aclose()


async def test_without_redis_a_process_counts_its_own(tmp_path: Path) -> None:
    async with shared(f"unix://{tmp_path}/nobody.sock") as places:
        entered = [await places.enter("streams", "ann", 2, exact=True) for _ in range(3)]

    assert entered == [True, True, False]


async def test_what_need_not_be_exact_is_off_by_one_for_each_process_at_most(
    redis_url: str,
) -> None:
    ann = uuid1().hex
    async with shared(redis_url) as one, shared(redis_url) as two, shared(redis_url) as three:
        entered = [
            await places.enter("runs", ann, 20, exact=False)
            for _ in range(20)
            for places in (one, two, three)
        ]

        assert 20 <= sum(entered) <= 20 + 3
