"""Deleting a session while others write in it."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.chat import PatchSession
from polyagent.domain.errors import NotFound, StoreUnavailable
from polyagent.domain.ids import new_id
from polyagent.domain.run import Admitted
from tests.contract.tenant import Tenant


async def test_runs_that_are_admitted_as_their_session_goes_are_hidden_with_it_or_refused(
    tenant: Tenant, pool: Pool
) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    agent = await tenant.makes(actor, NewAgent(name="helper"))
    session = await tenant.talks(actor, agent)

    answers = await asyncio.gather(
        *(_ask(tenant, actor, agent, session.id) for _ in range(5)),
        _delete(tenant, actor, session.id),
        *(_ask(tenant, actor, agent, session.id) for _ in range(5)),
    )

    runs = await _runs(pool, session.id)
    assert all(run["hidden"] for run in runs)
    assert all(run["status"] == "cancelled" or run["cancel_at"] for run in runs)
    assert len(runs) == 1 + sum(isinstance(answer, Admitted) for answer in answers)


async def test_a_cancelled_run_of_a_deleted_session_ends_with_its_event(
    tenant: Tenant, pool: Pool
) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    agent = await tenant.makes(actor, NewAgent(name="helper"))
    session = await tenant.talks(actor, agent)
    queued = await _ask(tenant, actor, agent, session.id)
    assert queued is not None

    await _delete(tenant, actor, session.id)

    events = await pool.fetch(
        "SELECT seq, type FROM run_events WHERE run_id = $1 ORDER BY seq", queued.run.id
    )
    assert [tuple(event) for event in events] == [(1, "run.queued"), (2, "run.cancelled")]


async def test_a_deleter_that_is_killed_before_its_commit_leaves_all_as_it_was(
    tenant: Tenant, pool: Pool
) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    agent = await tenant.makes(actor, NewAgent(name="helper"))
    session = await tenant.talks(actor, agent)
    queued = await _ask(tenant, actor, agent, session.id)
    before = await _runs(pool, session.id)

    with pytest.raises(StoreUnavailable):
        await _delete(tenant, actor, session.id, cut_by=pool)

    assert queued is not None
    assert await _runs(pool, session.id) == before
    assert len(await pool.fetch("SELECT FROM run_events WHERE run_id = $1", queued.run.id)) == 1
    await _delete(tenant, actor, session.id)
    assert all(run["hidden"] for run in await _runs(pool, session.id))


async def test_a_patch_and_a_deletion_at_once_wait_for_each_other(
    tenant: Tenant, pool: Pool
) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    agent = await tenant.makes(actor, NewAgent(name="helper"))

    for _ in range(20):
        session = await tenant.talks(actor, agent)
        patched, deleted = await asyncio.gather(
            _patch(tenant, actor, session.id),
            _delete(tenant, actor, session.id),
            return_exceptions=True,
        )
        assert patched is None or isinstance(patched, NotFound)
        assert deleted is None


async def _patch(tenant: Tenant, actor: Actor, session_id: UUID) -> None:
    async with tenant.store.begin(actor) as tx:
        await tx.sessions.change(session_id, PatchSession(title="new"))


async def _ask(tenant: Tenant, actor: Actor, agent: Agent, session_id: UUID) -> Admitted | None:
    run = replace(tenant.run(agent), session_id=session_id, new_session=False)
    try:
        return await tenant.asks(actor, agent, new=run)
    except NotFound:
        return None


async def _delete(
    tenant: Tenant, actor: Actor, session_id: UUID, *, cut_by: Pool | None = None
) -> None:
    async with tenant.store.begin(actor) as tx:
        await tx.sessions.delete(session_id)
        if cut_by is not None:
            assert await cut_by.fetchval(END_OF_OTHERS)


END_OF_OTHERS = """
SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
"""


async def _runs(pool: Pool, session_id: UUID) -> list[asyncpg.Record]:
    return await pool.fetch(
        "SELECT status, hidden, cancel_at FROM runs WHERE session_id = $1", session_id
    )
