"""taskiq on a stream of Redis: https://taskiq-python.github.io"""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from bench.queues.note import Note, Pen
from bench.queues.rival import Urls, worker_of

STREAM, GROUP = "taskiq", "taskiq"
AT_ONCE = 100


class Taskiq:
    name = "taskiq"
    is_durable = has_priorities = has_users = False

    def _prepare(self, urls: Urls, pen: Pen | None) -> None:
        async def note(n: int, wait_ms: int) -> None:
            if pen is not None:
                await pen.do(n, wait_ms)

        self._broker = RedisStreamBroker(urls.redis)
        self._note = self._broker.task("note")(note)

    async def open(self, urls: Urls) -> None:
        self._prepare(urls, None)
        await self._broker.startup()
        self._redis = Redis.from_url(urls.redis)

    async def close(self) -> None:
        await self._broker.shutdown()
        await self._redis.aclose()

    async def put(self, note: Note) -> None:
        await self._note.kiq(note.n, note.wait_ms)

    async def put_all(self, notes: Sequence[Note]) -> None:
        for at in range(0, len(notes), AT_ONCE):
            await asyncio.gather(*map(self.put, notes[at : at + AT_ONCE]))

    async def left(self) -> int:
        groups = await self._redis.xinfo_groups(STREAM)
        return sum(int(group["lag"] or 0) + int(group["pending"]) for group in groups)

    async def clear(self) -> None:
        await self._redis.flushall()
        await self._broker.startup()

    def words(self, slots: int) -> Sequence[str]:
        return worker_of(self.name, slots)

    async def work(self, urls: Urls, slots: int, pen: Pen) -> None:
        self._prepare(urls, pen)
        await run_receiver_task(self._broker, max_async_tasks=slots, run_startup=True)
