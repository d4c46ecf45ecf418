"""What every count of rates does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid1

import pytest

from polyagent.adapters.memory.limits import MemoryRates
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.limits.rates import RedisRates
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.limit import Bucket, Standing
from polyagent.ports.limits import Rates
from polyagent.settings import Redis

LIMIT_S = 30


@asynccontextmanager
async def redis_rates(url: str) -> AsyncIterator[RedisRates]:
    client = redis_client(Redis(url=url))
    rates = RedisRates(client, SystemClock(), timeout_s=LIMIT_S)
    yield rates
    await rates.aclose()
    await client.aclose()


@pytest.fixture(params=["memory", "redis"])
async def rates(request: pytest.FixtureRequest) -> AsyncIterator[Rates]:
    if request.param == "memory":
        yield MemoryRates(SystemClock())
        return
    async with redis_rates(request.getfixturevalue("redis_url")) as rates:
        yield rates


def bucket(quota: int, *, name: str = "user", window_s: int = 3600, exact: bool = False) -> Bucket:
    return Bucket(name, uuid1().hex, quota, window_s, exact)


def given(standings: list[Standing]) -> int:
    return sum(not standing.retry_after_s for standing in standings)


@pytest.mark.parametrize("quota", [1, 20, 600])
@pytest.mark.parametrize("exact", [True, False])
async def test_a_whole_quota_may_be_taken_at_once(rates: Rates, quota: int, *, exact: bool) -> None:
    of_one = bucket(quota, exact=exact)

    taken = await asyncio.gather(*(rates.take([of_one]) for _ in range(quota + 50)))
    after = await rates.take([of_one])

    assert given(taken) == quota
    assert after.remaining == 0
    assert 0 < after.retry_after_s <= of_one.pace_s
    assert of_one.window_s - 2 * of_one.pace_s < after.whole_after_s <= of_one.window_s


async def test_what_is_left_is_told(rates: Rates) -> None:
    of_one = bucket(600, window_s=6000)

    standings = [await rates.take([of_one]) for _ in range(7)]

    assert [standing.remaining for standing in standings] == list(range(599, 592, -1))
    assert 60 < standings[-1].whole_after_s <= 70


async def test_one_that_is_empty_keeps_the_others_whole(rates: Rates) -> None:
    small, large = bucket(1, name="key"), bucket(5)
    await rates.take([small])

    refused = [await rates.take([large, small]) for _ in range(3)]
    alone = await rates.take([large])

    assert given(refused) == 0
    assert {standing.bucket for standing in refused} == {small}
    assert alone.remaining == 4


async def test_the_one_with_the_least_left_is_told(rates: Rates) -> None:
    small, large = bucket(3, name="key"), bucket(5)

    standing = await rates.take([large, small])

    assert standing.bucket == small
    assert standing.remaining == 2


async def test_others_have_their_own(rates: Rates) -> None:
    await rates.take([one := bucket(1)])

    standing = await rates.take([Bucket("user", "another" + one.whose, 1, 3600)])

    assert not standing.retry_after_s


async def test_what_is_given_back_may_be_taken_again(rates: Rates) -> None:
    of_one = bucket(2, exact=True)
    await rates.take([of_one])
    await rates.take([of_one])

    await rates.give_back(of_one)

    assert given([await rates.take([of_one]) for _ in range(2)]) == 1


async def test_a_look_takes_nothing_and_says_when_there_is_none(rates: Rates) -> None:
    of_one = bucket(2, exact=True)

    whole = [rates.peek(of_one) for _ in range(3)]
    await rates.take([of_one])
    half = rates.peek(of_one)
    await rates.take([of_one])
    none = rates.peek(of_one)

    assert [standing.remaining for standing in whole] == [2] * 3
    assert [half.remaining, half.retry_after_s] == [1, 0.0]
    assert none.retry_after_s > 0


async def test_time_fills_it_again(rates: Rates) -> None:
    of_one = bucket(1, window_s=1)
    await rates.take([of_one])

    async with asyncio.timeout(LIMIT_S):
        while (await rates.take([of_one])).retry_after_s:
            await asyncio.sleep(0.05)


async def test_processes_share_what_is_exact(redis_url: str) -> None:
    of_one = bucket(200, exact=True)
    async with redis_rates(redis_url) as here, redis_rates(redis_url) as there:
        taken = await asyncio.gather(
            *(process.take([of_one]) for _ in range(150) for process in (here, there))
        )

    assert given(taken) == 200


async def test_what_one_has_used_up_another_does_not_give(redis_url: str) -> None:
    of_one = bucket(600, exact=True)
    async with redis_rates(redis_url) as here, redis_rates(redis_url) as there:
        taken = [await here.take([of_one]) for _ in range(601)]
        elsewhere = await there.take([of_one])

    assert given(taken) == 600
    assert elsewhere.retry_after_s


async def test_what_is_not_exact_exceeds_by_a_twentieth_a_process(redis_url: str) -> None:
    of_one = bucket(600)
    async with redis_rates(redis_url) as here, redis_rates(redis_url) as there:
        taken = [await here.take([of_one]) for _ in range(600)]
        elsewhere = await asyncio.gather(*(there.take([of_one]) for _ in range(100)))

    assert given(taken) == 600
    assert given(elsewhere) <= 30


async def test_without_redis_what_is_lenient_is_given_and_the_rest_counted_here(
    tmp_path: Path,
) -> None:
    of_one, of_two = bucket(20, exact=True), bucket(5)
    async with redis_rates(f"unix://{tmp_path}/nobody.sock") as rates:
        strict = [await rates.take([of_one]) for _ in range(30)]
        lenient = [await rates.take([of_one], lenient=True) for _ in range(30)]
        await rates.give_back(of_two)
        others = [await rates.take([of_two]) for _ in range(10)]
        looked = rates.peek(of_two)
        await rates.give_back(of_two)
        again = [await rates.take([of_two]) for _ in range(2)]

    assert [given(strict), given(lenient), given(others), given(again)] == [20, 30, 5, 1]
    assert not looked.retry_after_s


async def test_what_was_given_without_redis_is_told_when_it_is_back(redis_url: str) -> None:
    of_one = bucket(20)
    async with redis_rates(redis_url) as here, redis_rates(redis_url) as there:
        here._lose(TimeoutError())
        for _ in range(20):
            await here.take([of_one])
        async with asyncio.timeout(LIMIT_S):
            while here._is_away:
                await asyncio.sleep(0.05)

        assert (await there.take([of_one])).retry_after_s
