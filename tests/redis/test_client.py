"""The client of Redis, and how it says that Redis is well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dishka import AsyncContainer, Provider, Scope, make_async_container
from redis.asyncio import Redis as RedisClient
from redis.asyncio.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.probe import RedisProbe
from polyagent.adapters.redis.provider import RedisProvider
from polyagent.adapters.system.provider import SystemProvider
from polyagent.domain.errors import Invalid
from polyagent.settings import Redis

GENEROUS_S = 30.0


@asynccontextmanager
async def wired(settings: Redis) -> AsyncIterator[AsyncContainer]:
    given = Provider(scope=Scope.APP)
    given.provide(lambda: settings, provides=Redis)
    container = make_async_container(given, SystemProvider(), RedisProvider())
    try:
        yield container
    finally:
        await container.close()


@asynccontextmanager
async def a_server(path: Path, *, hangs_up: bool) -> AsyncIterator[list[str]]:
    """Listen like a Redis that never answers; gives a list that grows with each connection."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append("connection")
        if not hangs_up:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield seen
    finally:
        server.close()
        await server.wait_closed()


async def test_redis_that_answers_is_ok_and_says_its_version(redis_url: str) -> None:
    async with wired(Redis(url=redis_url, timeout_s=GENEROUS_S)) as container:
        component = await (await container.get(RedisProbe)).check()

    assert (component.status, component.facts["server"]) == ("ok", "valkey")
    assert component.facts["version"].startswith("9.")
    assert component.latency_ms is not None


async def test_redis_that_is_away_is_down(tmp_path: Path) -> None:
    async with wired(Redis(url=f"unix://{tmp_path}/nobody.sock")) as container:
        component = await (await container.get(RedisProbe)).check()

    assert component.status == "down"
    assert "REDIS_URL" in (component.detail or "")
    assert str(tmp_path) not in (component.detail or "")


async def test_redis_that_never_answers_is_down(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    async with a_server(path, hangs_up=False), wired(Redis(url=f"unix://{path}")) as container:
        component = await (await container.get(RedisProbe)).check()

    assert component.status == "down"


@pytest.mark.parametrize("retries", [0, 2])
async def test_a_broken_connection_is_tried_again_as_often_as_is_set(
    tmp_path: Path, retries: int
) -> None:
    path = tmp_path / "rude.sock"
    settings = Redis(url=f"unix://{path}", max_retries=retries, timeout_s=GENEROUS_S)
    async with a_server(path, hangs_up=True) as seen, wired(settings) as container:
        client = await container.get(RedisClient)

        with pytest.raises(RedisConnectionError):
            await client.ping()

    assert len(seen) == 1 + retries


async def test_many_share_few_connections(redis_url: str) -> None:
    async with wired(Redis(url=redis_url, pool_size=2, timeout_s=GENEROUS_S)) as container:
        client = await container.get(RedisClient)

        values = await asyncio.gather(*(client.incr("count") for _ in range(200)))

        assert sorted(values) == list(range(1, 201))
        assert (await client.info("clients"))["connected_clients"] == 2


async def test_closing_leaves_no_connection(redis_url: str) -> None:
    async with wired(Redis(url=redis_url, timeout_s=GENEROUS_S)) as container:
        await (await container.get(RedisClient)).ping()

    async with wired(Redis(url=redis_url, timeout_s=GENEROUS_S)) as container:
        clients = await (await container.get(RedisClient)).info("clients")
    assert clients["connected_clients"] == 1


def test_rediss_is_encrypted() -> None:
    client = redis_client(Redis(url="rediss://localhost:6380/3"))

    assert client.connection_pool.connection_class is SSLConnection


@pytest.mark.parametrize("url", [None, "", "http://localhost", "localhost:6379"])
def test_an_address_that_is_none_is_refused(url: str | None) -> None:
    with pytest.raises(Invalid, match="REDIS_URL"):
        redis_client(Redis(url=url))
