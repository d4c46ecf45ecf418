"""What every store does for tickets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.tickets import MemoryTickets
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.tickets import RedisTickets
from polyagent.domain.account import Claims
from polyagent.domain.errors import Unavailable
from polyagent.domain.ids import new_id
from polyagent.domain.ticket import Grant
from polyagent.ports.tickets import Tickets
from polyagent.settings import Redis

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_S = 600


@pytest.fixture(params=["memory", "redis"])
async def tickets(request: pytest.FixtureRequest) -> AsyncIterator[Tickets]:
    if request.param == "memory":
        yield MemoryTickets(ManualClock())
        return
    client = redis_client(Redis(url=request.getfixturevalue("redis_url"), timeout_s=30))
    yield RedisTickets(client)
    await client.aclose()


def _grant() -> Grant:
    return Grant("/ws", Claims(user_id=new_id(), session_version=3, expires_at=NOON))


def _digest() -> str:
    return sha256(new_id().bytes).hexdigest()


async def test_what_was_put_is_taken_once(tickets: Tickets) -> None:
    digest, grant = _digest(), _grant()
    await tickets.put(digest, grant, ttl_s=LONG_S)

    assert await tickets.take(digest) == grant
    assert await tickets.take(digest) is None


async def test_one_of_many_who_take_it_at_once_has_it(tickets: Tickets) -> None:
    digest, grant = _digest(), _grant()
    await tickets.put(digest, grant, ttl_s=LONG_S)

    taken = await asyncio.gather(*(tickets.take(digest) for _ in range(50)))

    assert [each for each in taken if each is not None] == [grant]


async def test_what_was_never_put_cannot_be_taken(tickets: Tickets) -> None:
    await tickets.put(_digest(), _grant(), ttl_s=LONG_S)

    assert await tickets.take(_digest()) is None


async def test_a_ticket_of_this_process_is_gone_when_its_time_is_over() -> None:
    clock = ManualClock()
    tickets = MemoryTickets(clock)
    in_time, late = _digest(), _digest()
    for digest in (in_time, late):
        await tickets.put(digest, _grant(), ttl_s=30)

    clock.move(29)
    taken = await tickets.take(in_time)
    clock.move(1)

    assert taken is not None
    assert await tickets.take(late) is None


async def test_redis_forgets_a_ticket_by_itself(redis_url: str) -> None:
    client = redis_client(Redis(url=redis_url, timeout_s=30))
    digest = _digest()

    await RedisTickets(client).put(digest, _grant(), ttl_s=30)

    assert 0 < await client.ttl(f"ticket:{digest}") <= 30
    await client.aclose()


async def test_tickets_are_away_with_redis(tmp_path: Path) -> None:
    client = redis_client(Redis(url=f"unix://{tmp_path}/nobody.sock"))
    tickets = RedisTickets(client)

    with pytest.raises(Unavailable) as making:
        await tickets.put(_digest(), _grant(), ttl_s=LONG_S)
    with pytest.raises(Unavailable):
        await tickets.take(_digest())

    assert str(tmp_path) not in making.value.detail
    await client.aclose()
