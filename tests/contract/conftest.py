"""The adapters of a port under test, and a workspace of its own for each test."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from dishka import AsyncContainer, Provider, Scope, make_async_container

from polyagent.adapters.memory.provider import MemoryProvider
from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.postgres.provider import PostgresProvider
from polyagent.adapters.system.provider import SystemProvider
from polyagent.domain.caps import Caps
from polyagent.ports.clock import Clock
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.queue import Queue, TaskQueue
from polyagent.ports.runs import Runs
from polyagent.ports.standing import Standing
from polyagent.ports.store import Store
from polyagent.ports.upkeep import Upkeep
from polyagent.settings import Auth, Database, Limits
from polyagent.settings import Queue as QueueSettings
from tests.contract.office import Office
from tests.contract.offices import memory_office, postgres_office
from tests.contract.tenant import Tenant


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """Where the adapters under test keep things; no `url`: in this process."""
    if request.param == "memory":
        return Database()
    return Database(url=request.getfixturevalue("postgres_url"))


@pytest.fixture
async def container(database: Database) -> AsyncIterator[AsyncContainer]:
    given = Provider(scope=Scope.APP)
    given.provide(lambda: database, provides=Database)
    auth = Auth()
    given.provide(lambda: auth, provides=Auth)
    limits = Limits()
    given.provide(lambda: limits, provides=Limits)
    given.provide(QueueSettings)
    given.provide(Caps)
    if database.url:
        given.provide(MemoryQueue, provides=Queue)
        given.provide(MemoryQueue, provides=TaskQueue)
    adapters = PostgresProvider() if database.url else MemoryProvider()
    container = make_async_container(given, SystemProvider(), adapters)
    yield container
    await container.close()


@pytest.fixture
async def tenant(container: AsyncContainer, database: Database) -> Tenant:
    return await _tenant(container, database)


@pytest.fixture
async def abroad(container: AsyncContainer, database: Database) -> Tenant:
    """Another workspace beside it."""
    return await _tenant(container, database)


async def _tenant(container: AsyncContainer, database: Database) -> Tenant:
    tenant = Tenant(
        await container.get(Store),
        await container.get(Runs),
        await container.get(Clock),
        await container.get(Indexes),
    )
    if database.url:
        connection = await asyncpg.connect(database.url)
        sql = "INSERT INTO polyagent.workspaces (id, name) VALUES ($1, $2)"
        await connection.execute(sql, tenant.id, str(tenant.id))
        await connection.close()
    return tenant


@pytest.fixture
async def standing(container: AsyncContainer) -> Standing:
    found: Standing = await container.get(Standing)
    return found


@pytest.fixture
async def upkeep(container: AsyncContainer) -> Upkeep:
    found: Upkeep = await container.get(Upkeep)
    return found


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    opened = postgres_office(database.url) if database.url else memory_office()
    async with opened as office:
        yield office
