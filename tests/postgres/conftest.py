"""People who chat and keep agents, over a real PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.postgres.documents.indexes import PostgresIndexes
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.adapters.postgres.runs.runs import PostgresRuns
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.adapters.system.clock import SystemClock
from polyagent.settings import Database
from tests.contract.tenant import Tenant


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(Database(url=postgres_url), min_size=0)
    yield pool
    await pool.close()


@pytest.fixture
async def tenant(postgres_url: str, pool: Pool) -> AsyncIterator[Tenant]:
    engine = open_engine(Database(url=postgres_url))
    yield Tenant(
        PostgresStore(engine, MemoryQueue()),
        PostgresRuns(pool, MemoryQueue(), queued_runs=100),
        SystemClock(),
        PostgresIndexes(pool),
    )
    await engine.dispose()
