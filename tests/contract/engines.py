"""The task engine over memory, and over PostgreSQL and Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.kinds.registry import KnownKinds
from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.memory.runs.journal import MemoryJournal
from polyagent.adapters.memory.signals import MemorySignals
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.memory.tasks.journal import MemoryTaskBacklog, MemoryTaskJournal
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.liveness import LEASE_S, Liveness
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.adapters.postgres.runs.journal import PostgresJournal
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.adapters.postgres.tasks.journal import PostgresTaskBacklog, PostgresTaskJournal
from polyagent.adapters.redis.queue.queue import RedisQueue
from polyagent.adapters.system.clock import SystemClock
from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.adapters.worker.tasks.runner import TaskRunner
from polyagent.domain.account import DEFAULT_WORKSPACE, Account, Actor, User
from polyagent.domain.caps import Caps
from polyagent.domain.errors import StoreUnavailable, Unavailable
from polyagent.domain.ids import new_id
from polyagent.domain.run import Beat
from polyagent.domain.task import TaskToQueue, TaskWork
from polyagent.ports.clock import Clock
from polyagent.ports.journal import Journal
from polyagent.ports.kinds import TaskControl
from polyagent.ports.queue import TaskBacklog, TaskQueue
from polyagent.ports.store import Store
from polyagent.ports.tasks import TaskJournal
from polyagent.settings import Database
from polyagent.settings import Queue as Settings
from tests.contract.engine import Asked, Handler, Seen
from tests.contract.queues import redis_queue

BEAT_S = 0.1
QUICK = Settings(retry_s=0.01, retry_most_s=0.05, drain_s=0.5)


class Handled:
    max_attempts: int | None = None
    timeout_s: float | None = None

    def __init__(self, name: str, handler: Handler) -> None:
        self.name = name
        self._handler = handler

    def check(self, actor: Actor, payload: dict[str, Any]) -> None: ...

    async def __call__(self, work: TaskWork, control: TaskControl) -> Any:
        return await self._handler(work, control)


class Heart:
    """Beats for one worker."""

    def __init__(self, journal: Journal) -> None:
        self.worker_id = new_id()
        self.journal = journal
        self._alive = False
        self._listeners: list[Callable[[Beat], None]] = []

    def holds_lease(self) -> bool:
        return self._alive

    async def may_judge(self) -> bool:
        return True

    def on_beat(self, listener: Callable[[Beat], None]) -> None:
        self._listeners.append(listener)

    async def beats(self) -> None:
        while True:
            with suppress(Unavailable):
                beat = await self.journal.beat(self.worker_id)
                self._alive = True
                for listener in self._listeners:
                    listener(beat)
            await asyncio.sleep(BEAT_S)


class Mortal:
    """A journal that nobody hears any more once its process is dead."""

    def __init__(self, journal: TaskJournal) -> None:
        self._journal = journal
        self.is_dead = False

    def __getattr__(self, name: str) -> Any:
        if self.is_dead:
            raise StoreUnavailable("This process is dead.")
        return getattr(self._journal, name)


class OurWorker:
    def __init__(
        self, ours: "OurEngine", heart: Heart, runner: TaskRunner, journal: Mortal
    ) -> None:
        self._ours = ours
        self._journal = journal
        self._heart = heart
        self._runner = runner
        self._is_over = asyncio.Event()
        self._life = asyncio.create_task(self._lives())
        self._beating = asyncio.create_task(heart.beats())

    async def _lives(self) -> None:
        async with self._runner.running():
            await self._is_over.wait()

    async def drains(self) -> None:
        self._is_over.set()
        await self._life
        await self._stop_beating()

    async def dies(self) -> None:
        self._journal.is_dead = True
        await self._stop_beating()
        await self._ours.bury(self._heart)
        self._is_over.set()

    async def _stop_beating(self) -> None:
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)

    async def over(self) -> None:
        if not self._journal.is_dead:
            await self.drains()
            with suppress(Unavailable):
                await self._heart.journal.leave(self._heart.worker_id)
        await self._life


class OurEngine:
    def __init__(self, store: Store, queue: TaskQueue, backlog: TaskBacklog) -> None:
        self.queue = queue
        self._store = store
        self._backlog = backlog
        self.users: list[Actor] = []

    def journal(self) -> Journal:
        raise NotImplementedError

    def task_journal(self, caps: Caps) -> TaskJournal:
        raise NotImplementedError

    async def bury(self, heart: Heart) -> None:
        raise NotImplementedError

    async def opens(self) -> None:
        self.users = [await self._joins(n) for n in range(3)]

    async def _joins(self, n: int) -> Actor:
        now = SystemClock().now()
        user = User(
            id=new_id(),
            workspace_id=DEFAULT_WORKSPACE,
            username=f"user-{n}-{new_id()}",
            email=f"{n}-{new_id()}@example.org",
            role="member",
            created_at=now,
            updated_at=now,
        )
        async with self._store.begin(Actor.system()) as tx:
            await tx.accounts.add(Account(user=user, password_hash="none"))
        return Actor(user.id, DEFAULT_WORKSPACE, "member")

    async def enqueue(self, *asked: Asked, commits: bool = True) -> Sequence[UUID]:
        tasks = [self._to_queue(each) for each in asked]
        ids: list[UUID] = []
        with suppress(ZeroDivisionError):
            async with self._store.begin(Actor.system()) as tx:
                ids = [task.id for task in await tx.tasks.add(tasks)]
                if not commits:
                    raise ZeroDivisionError
        return ids

    def _to_queue(self, asked: Asked) -> TaskToQueue:
        due_at = SystemClock().now() + timedelta(seconds=asked.delay_s) if asked.delay_s else None
        return TaskToQueue(
            id=new_id(),
            user_id=self.users[asked.who].user_id,
            kind=asked.kind,
            payload=asked.payload,
            priority=asked.priority,
            max_attempts=asked.max_attempts,
            timeout_s=asked.timeout_s,
            due_at=due_at,
            unique_key=asked.unique_key,
            end_user=asked.end_user,
        )

    @asynccontextmanager
    async def worker(
        self, handlers: Mapping[str, Handler], *, slots: int = 4, **settings: Any
    ) -> AsyncIterator[OurWorker]:
        chosen = replace(QUICK, concurrency=slots, **settings)
        heart = Heart(self.journal())
        caps = Caps(kinds=chosen.kind_tasks, user=chosen.user_tasks)
        journal: Any = Mortal(self.task_journal(caps))
        runner = TaskRunner(
            journal,
            self.queue,
            self._backlog,
            KnownKinds(Handled(name, handler) for name, handler in handlers.items()),
            heart,
            MemorySignals(),
            PrometheusMeter(),
            chosen,
        )
        worker = OurWorker(self, heart, runner, journal)
        try:
            yield worker
        finally:
            await worker.over()

    async def forget_order(self) -> None:
        await self.queue.take(100_000, 0)

    async def see(self, task_id: UUID) -> Seen:
        async with self._store.begin(Actor.system()) as tx:
            task = await tx.tasks.get(task_id)
        return Seen(
            status=task.status,
            attempts=[a.error.code if a.error else None for a in task.attempts],
            result=task.result,
            error=task.error.code if task.error else None,
            progress=task.progress,
        )

    async def cancel(self, task_id: UUID) -> None:
        async with self._store.begin(Actor.system()) as tx:
            await tx.tasks.cancel(task_id)

    async def retry(self, task_id: UUID) -> None:
        async with self._store.begin(Actor.system()) as tx:
            await tx.tasks.retry(task_id)

    async def suspend(self, who: int) -> None:
        async with self._store.begin(Actor.system()) as tx:
            await tx.accounts.change(self.users[who].user_id, status="suspended")


class MemoryEngine(OurEngine):
    def __init__(self, clock: Clock | None = None) -> None:
        self.state, self.clock = State(), clock or SystemClock()
        store = MemoryStore(self.state, self.clock)
        super().__init__(store, self.state.task_queue, MemoryTaskBacklog(self.state, self.clock))

    def journal(self) -> Journal:
        return MemoryJournal(self.state, self.clock)

    def task_journal(self, caps: Caps) -> TaskJournal:
        return MemoryTaskJournal(self.state, self.clock, caps)

    async def bury(self, heart: Heart) -> None:
        self.state.workers[heart.worker_id] = float("-inf")


class DurableEngine(OurEngine):
    def __init__(self, settings: Database, pool: Pool, store: Store, queue: RedisQueue) -> None:
        super().__init__(store, queue, PostgresTaskBacklog(pool))
        self._settings = settings
        self.pool = pool
        self.redis = queue

    def journal(self) -> Journal:
        liveness = Liveness(self._settings, self.pool, SystemClock(), lease_s=LEASE_S)
        return PostgresJournal(self.pool, liveness, MemoryQueue(), user_runs=20)

    def task_journal(self, caps: Caps) -> TaskJournal:
        return PostgresTaskJournal(self.pool, self.queue, caps)

    async def bury(self, heart: Heart) -> None:
        await heart.journal.leave(heart.worker_id)


@asynccontextmanager
async def durable_engine(postgres_url: str, redis_url: str) -> AsyncIterator[DurableEngine]:
    settings = Database(url=postgres_url)
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings, min_size=4)
        stack.push_async_callback(pool.close)
        engine = open_engine(settings)
        stack.push_async_callback(engine.dispose)
        await pool.execute("TRUNCATE tasks, workers CASCADE")
        queue = await stack.enter_async_context(redis_queue(redis_url))
        ours = DurableEngine(settings, pool, PostgresStore(engine, queue), queue)
        await ours.opens()
        yield ours
