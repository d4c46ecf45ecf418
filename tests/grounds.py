"""What a fleet stands on: memory of this process, or a real PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from polyagent.adapters.memory.documents.retrieval import MemoryRetrieval
from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.memory.runs.backlog import MemoryBacklog
from polyagent.adapters.memory.runs.journal import MemoryJournal
from polyagent.adapters.memory.runs.runs import MemoryRuns
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.postgres.documents.retrieval import PostgresRetrieval
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.liveness import LEASE_S, Liveness
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.adapters.postgres.runs.backlog import PostgresBacklog
from polyagent.adapters.postgres.runs.journal import PostgresJournal
from polyagent.adapters.postgres.runs.runs import PostgresRuns
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.agent import Agent
from polyagent.ports.clock import Clock
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.ports.journal import Journal
from polyagent.ports.queue import Backlog, Queue
from polyagent.ports.runs import Runs
from polyagent.ports.store import Store
from polyagent.settings import Database
from tests.contract.office import QUEUED_RUNS, USER_RUNS
from tests.contract.offices import MemoryRows, PostgresRows
from tests.virtual import LoopClock


class MemoryGround:
    """Time is the loop's: run it in a `VirtualLoop`."""

    pace_s = 0.2

    def __init__(self) -> None:
        self.state = State()
        self.clock: Clock = LoopClock()
        self.queue: Queue = self.state.queue

    def runs(self) -> Runs:
        return MemoryRuns(self.state, self.clock, queued_runs=QUEUED_RUNS)

    def backlog(self) -> Backlog:
        return MemoryBacklog(self.state)

    def journal(self) -> Journal:
        return MemoryJournal(self.state, self.clock)

    def store(self) -> Store:
        return MemoryStore(self.state, self.clock)

    def retrieval(self) -> Retrieval:
        return MemoryRetrieval(self.state)

    async def put_agent(self, agent: Agent) -> None:
        await MemoryRows(self.state).put_agent(agent)

    async def bury(self, journal: Journal, worker_id: UUID) -> None:
        """Nothing: its lease runs out."""

    async def admitted(self) -> Sequence[UUID]:
        rows = sorted(self.state.runs.values(), key=lambda row: row.seq)
        return [row.run.id for row in rows]


class FastClock(SystemClock):
    """The machine's time of day, and a monotonic clock that runs `faster` than time."""

    def __init__(self, faster: float) -> None:
        self._faster = faster

    def monotonic(self) -> float:
        return super().monotonic() * self._faster

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self._faster)


class _Journal(PostgresJournal):
    """The journal of a process that is old enough to declare others dead."""

    def __init__(self, pool: Pool, liveness: Liveness, queue: Queue) -> None:
        super().__init__(pool, liveness, queue, user_runs=USER_RUNS)
        self.liveness = liveness

    async def may_judge(self) -> bool:
        return True


class PostgresGround:
    """A real PostgreSQL, where leases and beats are as much shorter as the processes' clocks are faster."""

    pace_s = 0.1

    def __init__(self, settings: Database, pool: Pool, engine: AsyncEngine, faster: float) -> None:
        self.clock: Clock = FastClock(faster)
        self.queue: Queue = MemoryQueue()
        self._lease_s = LEASE_S / faster
        self.rows = PostgresRows(pool)
        self._settings = settings
        self._pool = pool
        self._engine = engine

    def runs(self) -> Runs:
        return PostgresRuns(self._pool, self.queue, queued_runs=QUEUED_RUNS)

    def backlog(self) -> Backlog:
        return PostgresBacklog(self._pool)

    def journal(self) -> Journal:
        liveness = Liveness(self._settings, self._pool, self.clock, lease_s=self._lease_s)
        return _Journal(self._pool, liveness, self.queue)

    def store(self) -> Store:
        return PostgresStore(self._engine, MemoryQueue())

    def retrieval(self) -> Retrieval:
        return PostgresRetrieval(self._pool)

    async def put_agent(self, agent: Agent) -> None:
        await self.rows.put_agent(agent)

    async def bury(self, journal: Journal, worker_id: UUID) -> None:
        """Its connection ends, and the lock with it; nobody waits until its lease does."""
        assert isinstance(journal, _Journal)
        journal.liveness.close()
        await self.rows.expire_lease(worker_id)

    async def admitted(self) -> Sequence[UUID]:
        return [row["id"] for row in await self._pool.fetch("SELECT id FROM runs ORDER BY seq")]


@asynccontextmanager
async def postgres_ground(url: str, *, faster: float = 8) -> AsyncIterator[PostgresGround]:
    settings = Database(url=url)
    pool, engine = await open_pool(settings, min_size=4), open_engine(settings)
    ground = PostgresGround(settings, pool, engine, faster)
    await ground.rows.clear()
    try:
        yield ground
    finally:
        await engine.dispose()
        await pool.close()
