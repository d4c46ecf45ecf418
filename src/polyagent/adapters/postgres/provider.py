"""PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

from dishka import Provider, Scope, provide
from sqlalchemy.ext.asyncio import AsyncEngine

from polyagent.adapters.postgres.access.standing import PostgresStanding
from polyagent.adapters.postgres.documents.indexes import PostgresIndexes
from polyagent.adapters.postgres.documents.retrieval import PostgresRetrieval
from polyagent.adapters.postgres.documents.vectors import PostgresVectors
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.liveness import LEASE_S, Liveness
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.adapters.postgres.probe import PostgresProbe
from polyagent.adapters.postgres.runs.answers import PostgresAnswers
from polyagent.adapters.postgres.runs.backlog import PostgresBacklog
from polyagent.adapters.postgres.runs.journal import PostgresJournal
from polyagent.adapters.postgres.runs.runs import PostgresRuns
from polyagent.adapters.postgres.runs.usage import PostgresUsageBook
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.adapters.postgres.tasks.journal import PostgresTaskBacklog, PostgresTaskJournal
from polyagent.adapters.postgres.upkeep import PostgresUpkeep
from polyagent.domain.caps import Caps
from polyagent.ports.answers import Answers
from polyagent.ports.clock import Clock
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.ports.documents.vectors import Vectors
from polyagent.ports.journal import Journal
from polyagent.ports.queue import Backlog, Queue, TaskBacklog, TaskQueue
from polyagent.ports.runs import Runs
from polyagent.ports.standing import Standing
from polyagent.ports.store import Store
from polyagent.ports.tasks import TaskJournal
from polyagent.ports.upkeep import Upkeep
from polyagent.ports.usage import UsageBook
from polyagent.settings import Auth, Database, Limits
from polyagent.settings import Queue as QueueSettings

CLOSE_S = 5.0


class PostgresProvider(Provider):
    scope = Scope.APP

    @provide
    async def pool(self, settings: Database) -> AsyncIterator[Pool]:
        pool = await open_pool(settings, min_size=settings.max_idle_conns)
        yield pool
        with suppress(TimeoutError):  # then it was ended all the same
            async with asyncio.timeout(CLOSE_S):
                await pool.close()

    @provide
    async def engine(self, settings: Database) -> AsyncIterator[AsyncEngine]:
        engine = open_engine(settings)
        yield engine
        await engine.dispose()

    @provide
    def store(self, engine: AsyncEngine, tasks: TaskQueue) -> Store:
        return PostgresStore(engine, tasks)

    @provide
    def standing(self, pool: Pool) -> Standing:
        return PostgresStanding(pool)

    @provide
    def runs(self, pool: Pool, queue: Queue, limits: Limits) -> Runs:
        return PostgresRuns(pool, queue, queued_runs=limits.queued_runs)

    @provide
    def backlog(self, pool: Pool) -> Backlog:
        return PostgresBacklog(pool)

    @provide
    def answers(self, pool: Pool) -> Answers:
        return PostgresAnswers(pool)

    @provide
    def liveness(self, settings: Database, pool: Pool, clock: Clock) -> Iterator[Liveness]:
        liveness = Liveness(settings, pool, clock, lease_s=LEASE_S)
        yield liveness
        liveness.close()

    @provide
    def journal(self, pool: Pool, liveness: Liveness, queue: Queue, limits: Limits) -> Journal:
        return PostgresJournal(pool, liveness, queue, user_runs=limits.user_runs)

    @provide
    def task_journal(self, pool: Pool, tasks: TaskQueue, caps: Caps) -> TaskJournal:
        return PostgresTaskJournal(pool, tasks, caps)

    @provide
    def task_backlog(self, pool: Pool) -> TaskBacklog:
        return PostgresTaskBacklog(pool)

    @provide
    def upkeep(self, pool: Pool, auth: Auth, queue: QueueSettings) -> Upkeep:
        return PostgresUpkeep(
            pool, audit_keep_days=auth.audit_keep_days, task_keep_days=queue.keep_days
        )

    @provide
    def indexes(self, pool: Pool) -> Indexes:
        return PostgresIndexes(pool)

    @provide
    def retrieval(self, pool: Pool) -> Retrieval:
        return PostgresRetrieval(pool)

    @provide
    def vectors(self, pool: Pool) -> Vectors:
        return PostgresVectors(pool)

    @provide
    def usage(self, pool: Pool) -> UsageBook:
        return PostgresUsageBook(pool)

    @provide
    def probe(self, pool: Pool, clock: Clock) -> PostgresProbe:
        return PostgresProbe(pool, clock)
