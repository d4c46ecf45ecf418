"""What becomes of a caller when PostgreSQL is away, comes back, or is slow."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.migrate import newest
from polyagent.adapters.postgres.pool import Pool, dsn, open_pool, shares
from polyagent.adapters.postgres.probe import PostgresProbe
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.account import Actor
from polyagent.domain.errors import Invalid, StoreUnavailable
from polyagent.domain.page import PageAsk
from polyagent.settings import Database
from tests.engines import VERSION, Cluster

LIMIT_S = 60.0
SLOW = "DO $$ BEGIN RAISE NOTICE 'begun'; PERFORM pg_sleep(60); END $$"


@asynccontextmanager
async def _pool(url: str, *, min_size: int = 0, **settings: Any) -> AsyncIterator[Pool]:
    pool = await open_pool(Database(url=url, **settings), min_size=min_size)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def _store(url: str) -> AsyncIterator[PostgresStore]:
    engine = open_engine(Database(url=url))
    try:
        yield PostgresStore(engine, MemoryQueue())
    finally:
        await engine.dispose()


async def _ask(pool: Pool, statement: str = "SELECT 1", *arguments: object) -> Any:
    with translated():
        return await pool.fetchval(statement, *arguments)


async def _look(store: PostgresStore) -> bool:
    async with store.begin(Actor.system()) as tx:
        return not (await tx.accounts.list(PageAsk(limit=1))).items


async def _empty(pool: Pool) -> None:
    """Wait until the loop has seen that the connections are gone."""
    async with asyncio.timeout(LIMIT_S):
        while pool.get_size():
            await asyncio.to_thread(time.sleep, 0.01)


async def test_a_process_starts_while_the_server_is_away_and_works_once_it_is_there(
    cluster: Cluster, postgres_url: str
) -> None:
    cluster.stop()
    try:
        async with _pool(postgres_url, min_size=2) as pool, _store(postgres_url) as store:
            with pytest.raises(StoreUnavailable):
                await _ask(pool)
            with pytest.raises(StoreUnavailable):
                await _look(store)

            cluster.start()

            assert await _ask(pool) == 1
            assert await _look(store)
    finally:
        cluster.restart()


async def test_a_restart_of_the_server_costs_an_idle_process_nothing(
    cluster: Cluster, postgres_url: str
) -> None:
    async with _pool(postgres_url) as pool, _store(postgres_url) as store:
        await asyncio.gather(*(_ask(pool) for _ in range(3)), *(_look(store) for _ in range(3)))

        await asyncio.to_thread(cluster.stop)
        await _empty(pool)
        cluster.start()

        assert await asyncio.gather(*(_ask(pool) for _ in range(3))) == [1, 1, 1]
        assert await asyncio.gather(*(_look(store) for _ in range(3))) == [True, True, True]


async def test_a_statement_that_the_server_dies_under_says_that_it_is_away(
    cluster: Cluster, postgres_url: str
) -> None:
    begun = asyncio.Event()
    async with _pool(postgres_url) as pool:

        async def wait() -> None:
            with translated():
                async with pool.acquire() as connection:
                    connection.add_log_listener(lambda *_: begun.set())
                    await connection.execute(SLOW)

        waiting = asyncio.create_task(wait())
        await asyncio.wait_for(begun.wait(), LIMIT_S)

        cluster.stop(signal.SIGQUIT)
        try:
            with pytest.raises(StoreUnavailable):
                await waiting
        finally:
            cluster.start()

        assert await _ask(pool) == 1


async def test_a_transaction_that_the_server_dies_under_says_that_it_is_away(
    cluster: Cluster, postgres_url: str
) -> None:
    async def look_twice(store: PostgresStore) -> None:
        async with store.begin(Actor.system()) as tx:
            await tx.accounts.list(PageAsk(limit=1))
            cluster.restart()
            await tx.accounts.list(PageAsk(limit=1))

    async with _store(postgres_url) as store:
        with pytest.raises(StoreUnavailable):
            await look_twice(store)

        assert await _look(store)


async def test_a_commit_that_does_not_arrive_says_that_it_is_away(
    cluster: Cluster, postgres_url: str
) -> None:
    async def look(store: PostgresStore) -> None:
        async with store.begin(Actor.system()) as tx:
            await tx.accounts.list(PageAsk(limit=1))
            cluster.restart()

    async with _store(postgres_url) as store:
        with pytest.raises(StoreUnavailable):
            await look(store)

        assert await _look(store)


async def test_a_slow_statement_is_ended_by_the_server(postgres_url: str) -> None:
    async with _pool(postgres_url, statement_timeout_s=0.05) as pool:
        with pytest.raises(StoreUnavailable):
            await _ask(pool, "SELECT pg_sleep(60)")

        assert await _ask(pool) == 1


async def test_waiting_for_a_connection_ends(postgres_url: str) -> None:
    async with (
        _pool(postgres_url, max_open_conns=2, connect_timeout_s=0.5) as pool,
        pool.acquire() as _,
    ):
        with pytest.raises(StoreUnavailable):
            await _ask(pool)


async def test_idle_connections_go_down_to_those_that_are_kept(postgres_url: str) -> None:
    async with _pool(postgres_url, min_size=2) as pool:
        await asyncio.gather(*(_ask(pool, "SELECT pg_sleep(0.05)") for _ in range(5)))
        opened = pool.get_size()

        for holder in pool._holders:  # type: ignore[attr-defined]  # the stubs leave it out
            holder._deactivate_inactive_connection()

        assert opened == 5
        assert pool.get_size() == 2


async def test_a_connection_that_has_lived_long_enough_is_replaced(postgres_url: str) -> None:
    async with _pool(postgres_url) as lasting, _pool(postgres_url, max_lifetime=1e-9) as fleeting:
        pids = {
            pool: {await _ask(pool, "SELECT pg_backend_pid()") for _ in range(3)}
            for pool in (lasting, fleeting)
        }

    assert len(pids[lasting]) == 1
    assert len(pids[fleeting]) == 3


async def test_json_goes_in_as_a_value_and_comes_out_as_its_text(postgres_url: str) -> None:
    async with _pool(postgres_url) as pool:
        text = await _ask(pool, "SELECT $1::jsonb", {"who": Actor.system().user_id, "n": [1, None]})

    assert text == '{"n": [1, null], "who": "00000000-0000-0000-0000-000000000000"}'


@pytest.mark.parametrize("unfit", [{"text": "a\x00b"}, {"text": "\ud800"}])
async def test_text_that_cannot_be_stored_is_the_callers_fault(
    postgres_url: str, unfit: dict[str, str]
) -> None:
    async with _pool(postgres_url) as pool:
        with pytest.raises(Invalid):
            await _ask(pool, "SELECT $1::jsonb", unfit)


async def test_a_number_that_is_too_large_is_the_callers_fault(postgres_url: str) -> None:
    async with _pool(postgres_url) as pool:
        with pytest.raises(Invalid):
            await _ask(pool, "SELECT $1::int", 2**40)


async def test_a_database_without_migrations_says_what_to_do(empty_url: str) -> None:
    async with _store(empty_url) as store:
        with pytest.raises(StoreUnavailable, match="polyagent migrate"):
            await _look(store)


async def test_the_probe_tells_the_server_and_its_schema(postgres_url: str) -> None:
    async with _pool(postgres_url) as pool:
        component = await PostgresProbe(pool, SystemClock()).check()

    assert component.status == "ok"
    assert component.facts["version"].startswith(VERSION)
    assert component.facts["migration"] == newest()


async def test_the_probe_answers_while_the_server_is_away(empty_url: str) -> None:
    nowhere = empty_url.replace("/pg", "/nowhere")
    async with _pool(nowhere) as pool:
        component = await PostgresProbe(pool, SystemClock()).check()

    assert component.status == "down"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_way_to_write_the_scheme_is_taken(scheme: str) -> None:
    url = dsn(f"{scheme}://me:secret@/db?host=/run/pg")

    assert url == "postgresql://me:secret@/db?host=/run/pg"


@pytest.mark.parametrize("url", [None, "", "localhost:5432", "mysql://localhost/db"])
def test_an_address_that_is_none_of_postgresql_is_refused(url: str | None) -> None:
    with pytest.raises(Invalid, match="postgresql://"):
        dsn(url)


@pytest.mark.parametrize("most", [2, 3, 20])
def test_both_pools_together_stay_within_the_limit(most: int) -> None:
    hot, managed = shares(most)

    assert hot + managed == most
    assert min(hot, managed) >= 1


async def test_the_text_of_an_error_holds_no_parameters(postgres_url: str) -> None:
    engine = open_engine(Database(url=postgres_url))
    try:
        async with engine.connect() as connection:
            with pytest.raises(DBAPIError) as caught:
                await connection.execute(
                    text("SELECT nothing, CAST(:it AS text)"), {"it": "a hash"}
                )
    finally:
        await engine.dispose()

    assert "a hash" not in str(caught.value)
