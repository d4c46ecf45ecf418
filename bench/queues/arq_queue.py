"""arq on Redis: https://arq-docs.helpmanual.io"""

import asyncio
from collections.abc import Sequence
from typing import Any

from arq import create_pool, func
from arq.connections import ArqRedis, RedisSettings
from arq.constants import default_queue_name
from arq.worker import Worker

from bench.queues.note import Note, Pen
from bench.queues.rival import Urls, worker_of

AT_ONCE = 100


class Arq:
    name = "arq"
    is_durable = has_priorities = has_users = False

    async def open(self, urls: Urls) -> None:
        self._redis: ArqRedis = await create_pool(RedisSettings.from_dsn(urls.redis))

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def put(self, note: Note) -> None:
        await self._redis.enqueue_job("note", note.n, note.wait_ms)

    async def put_all(self, notes: Sequence[Note]) -> None:
        for at in range(0, len(notes), AT_ONCE):
            await asyncio.gather(*map(self.put, notes[at : at + AT_ONCE]))

    async def left(self) -> int:
        return int(await self._redis.zcard(default_queue_name))

    async def clear(self) -> None:
        await self._redis.flushall()

    def words(self, slots: int) -> Sequence[str]:
        return worker_of(self.name, slots)

    async def work(self, urls: Urls, slots: int, pen: Pen) -> None:
        async def note(ctx: dict[Any, Any], *asked: int, **_: Any) -> None:
            await pen.do(*asked)

        where = RedisSettings.from_dsn(urls.redis)
        await Worker([func(note, name="note")], redis_settings=where, max_jobs=slots).async_run()
