"""A numbered database of its own in the user's Redis: taken, and emptied again."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.scratch import NUMBERS, _numbered, empty_scratch, take_scratch
from polyagent.domain.errors import Unavailable
from polyagent.settings import Redis


@pytest.fixture
async def users(redis_url: str) -> AsyncIterator[RedisClient]:
    """The user's own client, on database 0, with a key that must stay."""
    client = redis_client(Redis(url=redis_url))
    await client.flushall()
    await client.set("user's", "own")
    yield client
    await client.flushall()
    await client.aclose()


async def test_it_is_empty_and_ours_and_empty_again(users: RedisClient, redis_url: str) -> None:
    scratch = await take_scratch(Redis(url=redis_url))
    ours = redis_client(scratch)
    await ours.set("left", "behind")
    await ours.aclose()

    await empty_scratch(scratch)

    assert await users.info("keyspace") == {"db0": (await users.info("keyspace"))["db0"]}
    assert await users.get("user's") == b"own"


async def test_two_at_once_take_two(users: RedisClient, redis_url: str) -> None:
    first = await take_scratch(Redis(url=redis_url))
    second = await take_scratch(Redis(url=redis_url))

    assert first.url != second.url


async def test_a_database_with_a_key_or_a_client_is_left_alone(
    users: RedisClient, redis_url: str
) -> None:
    others = [RedisClient.from_url(redis_url, db=number) for number in (15, 14)]
    await others[0].set("a", "key")
    await others[1].ping()

    scratch = await take_scratch(Redis(url=redis_url))

    assert scratch.url is not None
    assert scratch.url.endswith("db=13")
    for other in others:
        await other.aclose()


async def test_a_redis_without_a_free_one_is_left_alone(users: RedisClient, redis_url: str) -> None:
    for _ in NUMBERS:
        await take_scratch(Redis(url=redis_url))

    with pytest.raises(Unavailable, match="no free numbered database"):
        await take_scratch(Redis(url=redis_url))


async def test_what_is_not_marked_is_not_emptied(users: RedisClient, redis_url: str) -> None:
    await empty_scratch(Redis(url=redis_url))

    assert await users.get("user's") == b"own"


async def test_a_redis_that_is_away_is_told() -> None:
    with pytest.raises(Unavailable, match="does not say who uses it"):
        await take_scratch(Redis(url="redis://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("url", "numbered"),
    [
        ("redis://host:6379", "redis://host:6379/3"),
        ("rediss://u:p@host/0?ssl_cert_reqs=none", "rediss://u:p@host/3?ssl_cert_reqs=none"),
        ("redis://host/0?db=1", "redis://host/3"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=3"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=3"),
    ],
)
def test_the_number_goes_where_the_address_keeps_it(url: str, numbered: str) -> None:
    assert _numbered(url, 3) == numbered
