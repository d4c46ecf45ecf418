"""PgQueuer on PostgreSQL: https://pgqueuer.readthedocs.io"""

from collections.abc import Sequence

import asyncpg
import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job

from bench.queues.note import Note, Pen
from bench.queues.rival import Urls, worker_of

CONNECTIONS = 10


async def _queries(urls: Urls) -> tuple["asyncpg.Pool[asyncpg.Record]", Queries]:
    pool = await asyncpg.create_pool(urls.database, min_size=4, max_size=CONNECTIONS)
    return pool, Queries(AsyncpgPoolDriver(pool))


async def installed(pool: "asyncpg.Pool[asyncpg.Record]") -> Queries:
    queries = Queries(AsyncpgPoolDriver(pool))
    if not await queries.schema_is_installed():
        await queries.install()
    return queries


class PgQueuer:
    """A worker's `max_concurrent_tasks` is at least twice its `batch_size`: so its slots are even."""

    name = "pgqueuer"
    is_durable = has_priorities = True
    has_users = False

    async def open(self, urls: Urls) -> None:
        self._pool, self._queries = await _queries(urls)
        await installed(self._pool)

    async def close(self) -> None:
        await self._pool.close()

    async def put(self, note: Note) -> None:
        await self._queries.enqueue("note", msgspec.json.encode(note), note.priority)

    async def put_all(self, notes: Sequence[Note]) -> None:
        payloads = [msgspec.json.encode(note) for note in notes]
        priorities = [note.priority for note in notes]
        await self._queries.enqueue(["note"] * len(notes), [*payloads], priorities)

    async def left(self) -> int:
        return int(await self._pool.fetchval("SELECT count(*) FROM pgqueuer"))

    async def clear(self) -> None:
        await self._queries.clear_queue()

    def words(self, slots: int) -> Sequence[str]:
        return worker_of(self.name, slots)

    async def work(self, urls: Urls, slots: int, pen: Pen) -> None:
        pool, queries = await _queries(urls)
        manager = QueueManager(queries)

        @manager.entrypoint("note")
        async def note(job: Job) -> None:
            asked = msgspec.json.decode(job.payload or b"", type=Note)
            await pen.do(asked.n, asked.wait_ms)

        async with pool:
            await manager.run(batch_size=slots // 2, max_concurrent_tasks=slots)
