"""Statements that meet at one session wait for each other, and none is undone for a deadlock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from uuid import UUID

import pytest

from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.postgres.engine import open_engine
from polyagent.adapters.postgres.store import PostgresStore
from polyagent.domain.account import Actor
from polyagent.domain.errors import NotFound
from polyagent.ports.store import Store
from polyagent.settings import Database
from tests.contract.office import Office
from tests.contract.offices import connected, postgres_office

ROUNDS = 60
PATIENCE_S = 30
IS_WAITING = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Office]:
    async with postgres_office(postgres_url) as office:
        yield office


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    engine = open_engine(Database(url=postgres_url))
    yield PostgresStore(engine, MemoryQueue())
    await engine.dispose()


async def _unless_gone(call: Awaitable[object]) -> None:
    try:
        await call
    except NotFound:
        return


async def _deleted(store: Store, actor: Actor, session_id: UUID) -> None:
    async with store.begin(actor) as tx:
        await tx.sessions.delete(session_id)


async def test_deleting_a_session_meets_its_runs_in_order(office: Office, store: Store) -> None:
    for _ in range(ROUNDS):
        work = await office.works()
        session_id = work.run.session_id
        assert session_id is not None
        await office.queues("next", session_id)
        ground = await office.ground(session_id=session_id)

        await asyncio.gather(
            _deleted(store, office.alice, session_id),
            _unless_gone(office.answers(work)),
            _unless_gone(office.admits(office.new("x", session_id), ground=ground)),
            office.claims(),
        )

    assert await office.lists() == []


async def test_a_commit_waits_for_its_session_before_it_holds_its_run(
    office: Office, postgres_url: str
) -> None:
    work = await office.works()

    async with connected(postgres_url) as other, other.transaction():
        await other.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", work.run.session_id)
        answering = asyncio.create_task(office.answers(work))
        async with asyncio.timeout(PATIENCE_S):
            while not await other.fetchval(IS_WAITING):
                pass
        await other.execute("SELECT FROM runs WHERE id = $1 FOR UPDATE NOWAIT", work.run.id)

    assert await answering is False


async def test_who_cancels_as_a_run_begins_to_wait_ends_it_after_its_last_event(
    office: Office, postgres_url: str
) -> None:
    work = await office.works()
    run_id = work.run.id

    async with connected(postgres_url) as other:
        async with other.transaction():
            await other.execute(
                "UPDATE runs SET status = 'waiting', owner = NULL WHERE id = $1", run_id
            )
            cancelling = asyncio.create_task(office.runs.cancel(office.alice, run_id))
            async with asyncio.timeout(PATIENCE_S):
                while not await other.fetchval(IS_WAITING):
                    pass
            await other.execute(
                "INSERT INTO run_events VALUES ($1, 10000050, 'run.waiting', '{}', now())", run_id
            )
        await cancelling
        seqs = await other.fetch(
            "SELECT seq, type FROM run_events WHERE run_id = $1 ORDER BY seq", run_id
        )

    assert [tuple(row) for row in seqs] == [
        (10_000_001, "run.started"),
        (10_000_050, "run.waiting"),
        (10_000_051, "run.cancelled"),
    ]
