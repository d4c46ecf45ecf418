"""SAQ on Redis: https://saq-py.readthedocs.io"""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from saq.queue.redis import RedisQueue
from saq.worker import Worker

from bench.queues.note import Note, Pen
from bench.queues.rival import Urls, worker_of

CONNECTIONS = 300  # each of its slots waits on one


def _queue(urls: Urls) -> RedisQueue:
    return RedisQueue(Redis.from_url(urls.redis, max_connections=CONNECTIONS))


class Saq:
    name = "saq"
    is_durable = has_priorities = has_users = False

    async def open(self, urls: Urls) -> None:
        self._queue = _queue(urls)
        await self._queue.connect()

    async def close(self) -> None:
        await self._queue.disconnect()

    async def put(self, note: Note) -> None:
        await self._queue.enqueue("note", n=note.n, wait_ms=note.wait_ms)

    async def put_all(self, notes: Sequence[Note]) -> None:
        await asyncio.gather(*map(self.put, notes))

    async def left(self) -> int:
        return await self._queue.count("incomplete")

    async def clear(self) -> None:
        await self._queue.redis.flushall()

    def words(self, slots: int) -> Sequence[str]:
        return worker_of(self.name, slots)

    async def work(self, urls: Urls, slots: int, pen: Pen) -> None:
        async def note(_: Any, n: int, wait_ms: int) -> None:
            await pen.do(n, wait_ms)

        queue = _queue(urls)
        await queue.connect()
        await Worker(queue, [("note", note)], concurrency=slots).start()
