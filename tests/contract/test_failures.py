"""What every store does for failed logins."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from polyagent.adapters.memory.access.failures import MemoryLoginFailures
from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.failures import RedisLoginFailures
from polyagent.domain.ids import new_id
from polyagent.domain.throttle import FORGET_S, Failures
from polyagent.ports.failures import LoginFailures
from polyagent.settings import Redis


@pytest.fixture(params=["memory", "redis", "redis is away"])
async def failures(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LoginFailures]:
    if request.param == "memory":
        yield MemoryLoginFailures(ManualClock())
        return
    away = f"unix://{tmp_path}/nobody.sock"
    url = away if "away" in request.param else request.getfixturevalue("redis_url")
    client = redis_client(Redis(url=url, timeout_s=30))
    yield RedisLoginFailures(client, ManualClock())
    await client.aclose()


async def test_nobody_has_failed_at_first(failures: LoginFailures) -> None:
    assert await failures.of(str(new_id())) == Failures()


async def test_failures_are_counted_by_whom_they_are_for(failures: LoginFailures) -> None:
    ann, ben = str(new_id()), str(new_id())

    await asyncio.gather(*(failures.add(ann) for _ in range(20)))
    await failures.add(ben)

    assert ((await failures.of(ann)).count, (await failures.of(ben)).count) == (20, 1)
    assert 0 <= (await failures.of(ann)).since_s < FORGET_S


async def test_they_are_cleared(failures: LoginFailures) -> None:
    ann = str(new_id())
    await failures.add(ann)

    await failures.clear(ann)

    assert await failures.of(ann) == Failures()


async def test_whence_logins_went_well_is_known(
    failures: LoginFailures, request: pytest.FixtureRequest
) -> None:
    ann, ben = str(new_id()), str(new_id())

    await failures.trust(ann)

    is_kept = "away" not in request.node.callspec.params["failures"]
    assert (await failures.trusts(ann), await failures.trusts(ben)) == (is_kept, False)


async def test_redis_forgets_them_by_itself(redis_url: str) -> None:
    client = redis_client(Redis(url=redis_url, timeout_s=30))
    ann = str(new_id())

    await RedisLoginFailures(client, ManualClock()).add(ann)

    assert 0 < await client.ttl(f"failures:{ann}") <= FORGET_S
    await client.aclose()
