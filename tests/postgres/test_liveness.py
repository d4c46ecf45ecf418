"""Who lives, by a lease and a lock that dies with its connection."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.postgres.liveness import Liveness
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.adapters.postgres.runs.journal import PostgresJournal
from polyagent.domain.errors import StoreUnavailable
from polyagent.domain.ids import new_id
from polyagent.domain.run import Work
from polyagent.settings import Database
from tests.contract.office import Office
from tests.contract.offices import postgres_office

LOCK_HOLDERS = """
SELECT l.pid FROM pg_locks l JOIN workers w ON l.objid = w.lock_id::oid
WHERE l.locktype = 'advisory' AND l.classid = 7 AND w.id = $1
"""


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Office]:
    async with postgres_office(postgres_url) as office:
        yield office


@pytest.fixture
async def pool(postgres_url: str, office: Office) -> AsyncIterator[Pool]:
    pool = await open_pool(Database(url=postgres_url), min_size=0)
    yield pool
    await pool.close()


@pytest.fixture
async def liveness(postgres_url: str, pool: Pool) -> AsyncIterator[Liveness]:
    """Of a process with a lease of a millisecond, which the server has outlived."""
    liveness = Liveness(Database(url=postgres_url), pool, ManualClock(), lease_s=0.001)
    yield liveness
    liveness.close()


async def _stale(pool: Pool, worker_id: UUID) -> None:
    sql = "UPDATE workers SET beat_at = now() - interval '2 s' WHERE id = $1"
    await pool.execute(sql, worker_id)


async def _loses_its_connection(pool: Pool, worker_id: UUID) -> None:
    pid = await pool.fetchval(LOCK_HOLDERS, worker_id)
    assert await pool.fetchval("SELECT pg_terminate_backend($1, 30000)", pid)


async def _claimed(office: Office) -> list[Work]:
    return await office.claims(new_id(), dead_owners=True)


async def test_a_slow_worker_keeps_its_runs_until_its_lease_ends(
    office: Office, pool: Pool
) -> None:
    await office.works()
    await _stale(pool, office.worker_id)

    assert await _claimed(office) == []


async def test_a_killed_worker_loses_its_runs_before_its_lease_ends(
    office: Office, pool: Pool
) -> None:
    work = await office.works()
    await _loses_its_connection(pool, office.worker_id)
    assert await _claimed(office) == []  # it may be about to connect again
    await _stale(pool, office.worker_id)

    (taken,) = await _claimed(office)

    assert (taken.run.id, taken.lease.epoch) == (work.run.id, 2)


async def test_a_worker_without_a_lock_of_its_own_is_judged_by_its_lease(
    office: Office, pool: Pool
) -> None:
    await office.works()
    await pool.execute("UPDATE workers SET lock_id = 0")
    await _stale(pool, office.worker_id)
    assert await _claimed(office) == []

    await office.rows.expire_lease(office.worker_id)

    assert len(await _claimed(office)) == 1


async def test_a_beat_tells_a_lost_connection_once_and_then_opens_another(
    office: Office, pool: Pool
) -> None:
    work = await office.works()
    await _loses_its_connection(pool, office.worker_id)

    with pytest.raises(StoreUnavailable):
        await office.journal.beat(office.worker_id)

    assert (await office.journal.beat(office.worker_id)).owned == {work.run.id: 1}
    assert len(await pool.fetch(LOCK_HOLDERS, office.worker_id)) == 1


async def test_a_young_connection_may_not_judge(postgres_url: str, pool: Pool) -> None:
    clock, worker_id = ManualClock(), new_id()
    liveness = Liveness(Database(url=postgres_url), pool, clock, lease_s=0.001)
    journal = PostgresJournal(pool, liveness, MemoryQueue(), user_runs=20)
    judged = [await journal.may_judge()]

    await journal.beat(worker_id)
    judged.append(await journal.may_judge())
    clock.move(1)
    judged.append(await journal.may_judge())
    await _loses_its_connection(pool, worker_id)
    with pytest.raises(StoreUnavailable):
        await journal.beat(worker_id)
    judged.append(await journal.may_judge())
    await journal.beat(worker_id)
    judged.append(await journal.may_judge())

    assert judged == [False, False, True, False, False]
    liveness.close()


async def test_nobody_judges_while_the_server_is_young(postgres_url: str, pool: Pool) -> None:
    clock, lease_s = ManualClock(), 1e6
    liveness = Liveness(Database(url=postgres_url), pool, clock, lease_s=lease_s)
    await liveness.beat(new_id())
    clock.move(2 * lease_s)

    assert not liveness.is_old_enough()
    liveness.close()


async def test_the_beat_takes_the_direct_way(postgres_url: str, pool: Pool) -> None:
    settings = Database(url="postgresql://nobody@/nowhere?host=/nowhere", direct_url=postgres_url)
    liveness = Liveness(settings, pool, ManualClock(), lease_s=4)
    worker_id = new_id()

    await liveness.beat(worker_id)

    assert len(await pool.fetch(LOCK_HOLDERS, worker_id)) == 1
    liveness.close()


async def test_workers_that_are_long_dead_are_forgotten(liveness: Liveness, pool: Pool) -> None:
    await pool.execute("UPDATE workers SET lease_until = now() - interval '61 min'")
    worker_id = new_id()

    await liveness.beat(worker_id)

    assert await pool.fetchval("SELECT array_agg(id) FROM workers") == [worker_id]


async def test_a_worker_that_leaves_takes_row_and_lock_with_it(
    liveness: Liveness, pool: Pool
) -> None:
    worker_id = new_id()
    await liveness.beat(worker_id)
    pid = await pool.fetchval(LOCK_HOLDERS, worker_id)

    await liveness.leave(worker_id)

    assert await pool.fetchval("SELECT count(*) FROM workers WHERE id = $1", worker_id) == 0
    await pool.fetchval("SELECT pg_terminate_backend($1, 30000)", pid)
    assert await pool.fetch("SELECT FROM pg_locks WHERE pid = $1", pid) == []
