"""PgQueuer behind the façade. Its heartbeats are told to be as quick as ours."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Job
from pgqueuer.domain.types import JobId
from tests.contract.engine import Asked, Handler, Seen

from bench.engines.lent import Failed, Lent, Unsupported

HEARTBEAT = timedelta(seconds=1)
IDLE = timedelta(seconds=0.5)

ROW = "SELECT status::text, execute_after > now() AS is_later, attempts FROM pgqueuer WHERE id = $1"
LOG = "SELECT status::text FROM pgqueuer_log WHERE job_id = $1 ORDER BY id DESC LIMIT 1"
OF_KEY = "SELECT id FROM pgqueuer WHERE dedupe_key = $1"
STATUSES = {
    "queued": "queued",
    "picked": "running",
    "failed": "dead",
    "exception": "dead",
    "successful": "succeeded",
    "canceled": "cancelled",
}

_asked_of = msgspec.json.Decoder(Asked).decode


class PgQueuerWorker:
    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        manager: QueueManager,
        slots: int,
        drain_s: float,
    ) -> None:
        self._pool = pool
        self._manager = manager
        self._drain_s = drain_s
        self._is_dead = False
        batch = max(1, slots // 2)
        options: dict[str, Any] = {
            "heartbeat_timeout": HEARTBEAT,
            "max_concurrent_tasks": 2 * batch,
        }
        self._running = asyncio.create_task(manager.run(IDLE, batch, **options))

    async def dies(self) -> None:
        """Nothing of it reaches the database any more; what it does is not waited for."""
        self._pool.terminate()
        self._is_dead = True
        self._running.cancel()

    async def drains(self) -> None:
        self._manager.shutdown.set()
        await asyncio.wait([self._running], timeout=self._drain_s)
        self._running.cancel()

    async def over(self) -> None:
        if not self._is_dead:
            await self.drains()
        self._pool.terminate()


class PgQueuerEngine:
    def __init__(self, url: str, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._url = url
        self._pool = pool
        self._queries = Queries(AsyncpgPoolDriver(pool))
        self._lent = Lent()

    async def enqueue(self, *asked: Asked, commits: bool = True) -> Sequence[UUID]:
        async with self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            ids = [await self._add(connection, each) for each in asked]
            await (transaction.commit() if commits else transaction.rollback())
        return [UUID(int=job_id) for job_id in ids]

    async def _add(self, connection: Any, asked: Asked) -> int:
        key = asked.unique_key and f"{asked.who} {asked.end_user} {asked.unique_key}"
        (job_id,) = await Queries(AsyncpgDriver(connection)).enqueue(
            asked.kind,
            msgspec.json.encode(asked),
            asked.priority,
            timedelta(seconds=asked.delay_s),
            key,
            on_conflict="skip",
        )
        return int(await connection.fetchval(OF_KEY, key) if job_id is None else job_id)

    @asynccontextmanager
    async def worker(
        self, handlers: Mapping[str, Handler], *, slots: int = 4, **settings: Any
    ) -> AsyncIterator[PgQueuerWorker]:
        if settings.get("user_tasks"):
            raise Unsupported("caps of a user")
        pool = await asyncpg.create_pool(self._url, min_size=2, max_size=6)
        manager = QueueManager(Queries(AsyncpgPoolDriver(pool)))
        caps = settings.get("kind_tasks", {})
        most = 1 if slots == 1 else 0  # a worker alone cannot be told to do one at a time
        for name, handler in handlers.items():
            limited = manager.entrypoint(
                name,
                concurrency_limit=caps.get(name, most),
                accepts_context=True,
                on_failure="hold",
            )
            limited(self._entrypoint(handler))
        worker = PgQueuerWorker(pool, manager, slots, settings.get("drain_s", 0.5))
        try:
            yield worker
        finally:
            await worker.over()

    def _entrypoint(self, handler: Handler) -> Any:
        async def does(job: Job, context: Context) -> None:
            task_id = UUID(int=job.id)
            control = self._lent.control(task_id)
            with context.cancellation:
                doing = self._lent.does(task_id, _asked_of(job.payload or b""), handler, control)
                task = asyncio.ensure_future(doing)
                try:
                    await asyncio.wait([task])
                finally:
                    control.cancel_asked = context.cancellation.cancel_called
                    task.cancel()
                _again(task)

        return does

    async def forget_order(self) -> None: ...

    async def see(self, task_id: UUID) -> Seen:
        row = await self._pool.fetchrow(ROW, task_id.int)
        if row and row["is_later"] and row["status"] == "queued":
            return self._lent.seen(task_id, "retrying" if row["attempts"] else "scheduled")
        status = row["status"] if row else await self._pool.fetchval(LOG, task_id.int)
        if status is None:
            raise LookupError(str(task_id))
        return self._lent.seen(task_id, STATUSES[status])

    async def cancel(self, task_id: UUID) -> None:
        await self._queries.mark_job_as_cancelled([JobId(task_id.int)])

    async def retry(self, task_id: UUID) -> None:
        self._lent.spare(task_id)
        await self._queries.requeue_jobs([JobId(task_id.int)])

    async def suspend(self, who: int) -> None:
        raise Unsupported("users")


def _again(task: "asyncio.Task[Any]") -> None:
    try:
        task.result()
    except Failed as failed:
        if failed.delay_s is None:
            raise
        raise RetryRequested(timedelta(seconds=failed.delay_s)) from failed
