"""The queue under test, and what is put into it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.queue.queue import BLOCK_S, RedisQueue
from polyagent.domain.ids import new_id
from polyagent.domain.queue import Entry, who
from polyagent.ports.queue import Queue
from polyagent.settings import Redis

PATIENCE_S = 30
USERS = [who(new_id()) for _ in range(5)]
ANN, BOB, CAY, *_ = USERS
ALL = 10_000


def entry(user: bytes = ANN, priority: int = 5, delay_s: float = 0.0) -> Entry:
    return Entry(id=new_id(), priority=priority, who=user, delay_s=delay_s)


async def rest(queue: Queue) -> list[Entry]:
    return list(await queue.take(ALL, 0))


async def in_time(queue: Queue, n: int = 1) -> list[Entry]:
    """Wait for `n` entries."""
    taken: list[Entry] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(taken) < n:
            taken += await queue.take(n - len(taken), BLOCK_S)
    return taken


@asynccontextmanager
async def redis_queue(url: str, name: str | None = None) -> AsyncIterator[RedisQueue]:
    where = Redis(url=url, timeout_s=PATIENCE_S)
    async with redis_client(where) as client, redis_client(where, block_s=BLOCK_S) as blocking:
        queue = RedisQueue(client, blocking, name or str(new_id()))
        yield queue
        await queue.close()
