"""SAQ on Redis behind the façade. Its sweeps are told to be as quick as they can, once a second."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError as Gone
from saq.job import Job, Status
from saq.queue.redis import RedisQueue
from saq.types import PartialTimersDict
from saq.worker import Worker
from tests.contract.engine import Asked, Handler, Seen

from bench.engines.lent import Control, Failed, Lent, Unsupported
from polyagent.domain.ids import new_id

CONNECTIONS = 100
BEAT_S = 0.3
STATUSES = {
    Status.QUEUED: "queued",
    Status.NEW: "queued",
    Status.ACTIVE: "running",
    Status.ABORTING: "running",
    Status.ABORTED: "cancelled",
    Status.FAILED: "dead",
    Status.COMPLETE: "succeeded",
}


class MortalPool(ConnectionPool):
    is_dead = False

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        if self.is_dead:
            raise Gone("This process is dead.")
        return await super().get_connection(*args, **options)  # type: ignore[no-untyped-call]


def _queue(url: str) -> tuple[RedisQueue, MortalPool]:
    pool = MortalPool.from_url(url, max_connections=CONNECTIONS)
    return RedisQueue(Redis(connection_pool=pool)), pool


class SaqWorker:
    def __init__(self, pool: MortalPool, worker: Worker[Any]) -> None:
        self._pool = pool
        self._worker = worker
        self._running = asyncio.create_task(worker.start())

    async def dies(self) -> None:
        self._pool.is_dead = True
        await self.drains()

    async def drains(self) -> None:
        await self._worker.stop()
        await asyncio.gather(self._running, return_exceptions=True)


class SaqEngine:
    """A task is enqueued when its transaction has been committed: if the process lives that long."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue, _ = _queue(url)
        self._keys: dict[UUID, str] = {}
        self._controls: dict[UUID, Control] = {}
        self._lent = Lent()

    async def enqueue(self, *asked: Asked, commits: bool = True) -> Sequence[UUID]:
        if not commits:
            return [new_id() for _ in asked]
        return [await self._add(each) for each in asked]

    async def _add(self, asked: Asked) -> UUID:
        task_id = new_id()
        key = str(task_id)
        if asked.unique_key:
            key = f"{asked.who} {asked.end_user} {asked.unique_key}"
        asking = {"id": str(task_id), "asked": msgspec.to_builtins(asked)}
        job = Job(asked.kind, asking, key=key, timeout=0, heartbeat=2, retries=asked.max_attempts)
        job.scheduled = math.ceil(time.time() + asked.delay_s) if asked.delay_s else 0
        if await self._queue.enqueue(job) is None:
            live = await self._queue.job(key)
            task_id = UUID((live.kwargs or {})["id"]) if live else task_id
        self._keys[task_id] = key
        return task_id

    @asynccontextmanager
    async def worker(
        self, handlers: Mapping[str, Handler], *, slots: int = 4, **settings: Any
    ) -> AsyncIterator[SaqWorker]:
        if settings.get("user_tasks") or settings.get("kind_tasks"):
            raise Unsupported("caps")
        queue, pool = _queue(self._url)
        functions = [(name, self._function(handler)) for name, handler in handlers.items()]
        timers = PartialTimersDict(schedule=1, sweep=1, abort=1, worker_info=10)
        grace_s = max(1, int(settings.get("drain_s", 1)))
        saq = Worker[Any](
            queue, functions, concurrency=slots, timers=timers, shutdown_grace_period_s=grace_s
        )
        worker = SaqWorker(pool, saq)
        try:
            yield worker
        finally:
            await worker.drains()
            await pool.disconnect()

    def _function(self, handler: Handler) -> Any:
        async def does(context: Any, **kwargs: Any) -> Any:
            job: Job = context["job"]
            task_id, asked = UUID(kwargs["id"]), msgspec.convert(kwargs["asked"], Asked)
            control = self._controls[task_id] = self._lent.control(task_id)
            beating = asyncio.create_task(_beats(job))
            try:
                return await self._lent.does(task_id, asked, handler, control)
            except Failed as failed:
                job.retry_delay = failed.delay_s or 0.0
                job.retries = job.attempts if failed.delay_s is None else job.retries
                raise
            finally:
                beating.cancel()
                await asyncio.wait([beating])

        return does

    async def forget_order(self) -> None:
        await self._queue.redis.flushall()

    async def see(self, task_id: UUID) -> Seen:
        job = await self._queue.job(self._keys.get(task_id, ""))
        if job is None:
            raise LookupError(str(task_id))
        status = STATUSES[job.status]
        if status == "queued" and job.retry_delay:
            status = "retrying"
        elif status == "queued" and job.scheduled > time.time():
            status = "scheduled"
        return self._lent.seen(task_id, status)

    async def cancel(self, task_id: UUID) -> None:
        if (job := await self._queue.job(self._keys[task_id])) is not None:
            if task_id in self._controls:
                self._controls[task_id].cancel_asked = True
            await job.abort("cancelled")

    async def retry(self, task_id: UUID) -> None:
        if (job := await self._queue.job(self._keys[task_id])) is not None:
            self._lent.spare(task_id)
            job.retries += 1
            await job.retry("asked for")

    async def suspend(self, who: int) -> None:
        raise Unsupported("users")


async def _beats(job: Job) -> None:
    while True:
        await asyncio.sleep(BEAT_S)
        await job.update()
