"""A database of its own beside the user's: made, reached, dropped."""

from collections.abc import Iterator

import asyncpg
import pytest

from polyagent.adapters.postgres.scratch import create_scratch, drop_scratch
from polyagent.domain.errors import Forbidden, StoreUnavailable
from polyagent.settings import Database
from tests.engines import Cluster

MAKER = "scratch_maker"


@pytest.fixture
def url(cluster: Cluster, postgres_url: str) -> Iterator[str]:
    """The user's database, by a role that may create others."""
    cluster.sql(f"CREATE ROLE {MAKER} LOGIN CREATEDB")
    yield postgres_url.replace("polyagent@", f"{MAKER}@")
    cluster.sql(f"DROP ROLE {MAKER}")


async def databases(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        return {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    finally:
        await connection.close()


async def current(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SELECT current_database()"))
    finally:
        await connection.close()


async def test_it_is_there_while_it_is_used_and_gone_afterwards(url: str) -> None:
    before = await databases(url)
    settings = Database(url=url, direct_url=f"{url}&dbname=postgres", replica_url=url)

    scratch = await create_scratch(settings)
    (made,) = await databases(url) - before
    used = [await current(str(url)) for url in (scratch.url, scratch.direct_url)]
    await drop_scratch(settings, scratch)

    assert used == [made, made]
    assert scratch.replica_url is None
    assert await databases(url) == before


async def test_a_role_that_may_not_is_told(postgres_url: str) -> None:
    with pytest.raises(Forbidden, match="may not create databases"):
        await create_scratch(Database(url=postgres_url))


async def test_a_door_that_does_not_lead_to_it_leaves_no_database(url: str) -> None:
    before = await databases(url)
    settings = Database(url="postgresql://polyagent@/x?host=/nowhere", direct_url=url)

    with pytest.raises(StoreUnavailable):
        await create_scratch(settings)

    assert await databases(url) == before


async def test_what_is_not_ours_is_not_dropped(postgres_url: str) -> None:
    settings = Database(url=postgres_url)

    await drop_scratch(settings, settings)

    assert await databases(postgres_url)
