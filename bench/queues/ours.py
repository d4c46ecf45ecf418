"""Our own queue, as a program that has PolyAgent as a library enqueues: in a transaction of the store."""

from collections.abc import Sequence

import asyncpg

from bench.queues.note import Note
from bench.queues.rival import Urls
from polyagent.app.library import container
from polyagent.domain.account import DEFAULT_WORKSPACE, Account, Actor, User
from polyagent.domain.ids import new_id
from polyagent.domain.task import TaskToQueue
from polyagent.ports.clock import Clock
from polyagent.ports.queue import TaskQueue
from polyagent.ports.store import Store
from polyagent.settings import Database, Redis, Settings

USERS = 3
AT_ONCE = 1000
ALL = 1_000_000
LEFT = "SELECT count(*) FROM polyagent.tasks WHERE status IN ('queued', 'parked', 'running')"


class Ours:
    name = "polyagent"
    is_durable = has_priorities = has_users = True

    async def open(self, urls: Urls) -> None:
        where = Settings(database=Database(url=urls.database), redis=Redis(url=urls.redis))
        self._use_cases = container(where)
        self._store = await self._use_cases.get(Store)
        self._pool = await asyncpg.create_pool(urls.database, min_size=1, max_size=2)
        self._users = [await self._joins(n) for n in range(USERS)]

    async def _joins(self, n: int) -> User:
        now = (await self._use_cases.get(Clock)).now()
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
            await tx.accounts.add(Account(user=user, password_hash="none"))  # noqa: S106
        return user

    async def close(self) -> None:
        await self._pool.close()
        await self._use_cases.close()

    async def put(self, note: Note) -> None:
        await self.put_all([note])

    async def put_all(self, notes: Sequence[Note]) -> None:
        for at in range(0, len(notes), AT_ONCE):
            async with self._store.begin(Actor.system()) as tx:
                await tx.tasks.add([self._task(note) for note in notes[at : at + AT_ONCE]])

    def _task(self, note: Note) -> TaskToQueue:
        return TaskToQueue(
            id=new_id(),
            user_id=self._users[note.who].id,
            kind="note",
            payload={"n": note.n, "wait_ms": note.wait_ms},
            priority=note.priority,
        )

    async def left(self) -> int:
        return int(await self._pool.fetchval(LEFT))

    async def clear(self) -> None:
        await self._pool.execute("TRUNCATE polyagent.tasks CASCADE")
        await (await self._use_cases.get(TaskQueue)).take(ALL, 0)

    def words(self, slots: int) -> Sequence[str]:
        return ("polyagent", "worker", "--concurrency", str(slots))
