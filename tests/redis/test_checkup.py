"""What the doctor says of a Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.checkup import KEY, checkup
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.finding import Finding
from polyagent.settings import Redis


async def looked(url: str) -> list[Finding]:
    return [finding async for finding in checkup(Redis(url=url), SystemClock())]


def told(findings: list[Finding]) -> str:
    return "\n".join(f"{finding.level}: {finding.text}" for finding in findings)


@pytest.fixture
async def server(redis_url: str) -> AsyncIterator[RedisClient]:
    """A hand on the server; what it turned is turned back."""
    client = RedisClient.from_url(redis_url, decode_responses=True)
    kept = await client.config_get("maxmemory*")
    yield client
    await client.replicaof("NO", "ONE")
    await client.config_set("maxmemory", kept["maxmemory"] or 0)
    await client.config_set("maxmemory-policy", kept["maxmemory-policy"] or "")
    await client.acl_deluser("reader")
    await client.aclose()


async def test_a_server_that_is_as_it_should_be_has_no_problem(
    redis_url: str, server: RedisClient
) -> None:
    findings = await looked(redis_url)

    assert {finding.level for finding in findings} == {"ok"}
    assert findings[0].text.startswith("Valkey 9")
    assert 0 < await server.pttl(KEY) <= 1000 or not await server.exists(KEY)


async def test_a_server_that_evicts_what_it_likes_is_a_warning(
    redis_url: str, server: RedisClient
) -> None:
    await server.config_set("maxmemory-policy", "allkeys-lru")

    assert "warning: maxmemory-policy is allkeys-lru" in told(await looked(redis_url))


async def test_a_server_that_is_full_is_told(redis_url: str, server: RedisClient) -> None:
    await server.config_set("maxmemory-policy", "noeviction")
    await server.config_set("maxmemory", "1mb")

    found = told(await looked(redis_url))

    assert "warning: maxmemory-policy is noeviction" in found
    assert "problem: it refuses to write: " in found


async def test_a_replica_is_told(redis_url: str, server: RedisClient) -> None:
    await server.replicaof("127.0.0.1", "1")

    found = told(await looked(redis_url))

    assert "problem: it is a replica" in found
    assert "problem: it refuses to write" in found


async def test_a_user_that_may_only_read_is_told(redis_url: str, server: RedisClient) -> None:
    await server.acl_setuser(
        "reader", enabled=True, passwords=["+hidden"], keys=["*"], commands=["+@all", "-@write"]
    )
    url = redis_url.replace("unix://", "unix://reader:hidden@")

    found = told(await looked(url))

    assert "problem: it refuses to write" in found
    assert "hidden" not in found


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:hidden@127.0.0.1:1/0", "no answer at redis://:***@127.0.0.1:1/0: "),
        ("redis://127.0.0.1:1/not-a-number", "no answer at redis://127.0.0.1:1/not-a-number: "),
    ],
)
async def test_a_server_that_is_away_is_one_problem(url: str, said: str) -> None:
    (finding,) = await looked(url)

    assert (finding.level, finding.text.startswith(said)) == ("problem", True), finding.text


async def test_a_wrong_password_is_told_as_one(redis_url: str) -> None:
    url = redis_url.replace("unix://", "unix://nobody:hidden@")

    (finding,) = await looked(url)

    assert finding.advice == "check the password in REDIS_URL"
    assert "hidden" not in finding.text
