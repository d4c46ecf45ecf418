"""What every store does for transactions."""

from collections.abc import Awaitable, Callable

import pytest

from polyagent.domain.account import Actor
from polyagent.domain.agent import NewAgent
from polyagent.domain.chat import PatchSession
from polyagent.domain.page import PageAsk
from polyagent.ports.store import Transaction
from tests.contract.tenant import Tenant


class Oops(Exception): ...


async def undone(
    tenant: Tenant, actor: Actor, work: Callable[[Transaction], Awaitable[object]]
) -> None:
    """Do `work` in a transaction that fails after it."""

    async def fail() -> None:
        async with tenant.store.begin(actor) as tx:
            await work(tx)
            raise Oops

    with pytest.raises(Oops):
        await fail()


async def test_what_is_raised_undoes_all_of_it(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    kept = await tenant.makes(ann, NewAgent(name="kept"))
    gone = await tenant.makes(ann, NewAgent(name="gone"))
    session = await tenant.talks(ann, kept)

    async def spoil(tx: Transaction) -> None:
        await tx.agents.add(tenant.agent(ann, NewAgent(name="never")))
        await tx.agents.change(kept.id, NewAgent(name="changed"), version=1)
        await tx.agents.change(kept.id, NewAgent(name="again"), version=2)
        await tx.agents.delete(gone.id, version=None)
        first = (await tx.sessions.messages(session.id, PageAsk(order="asc"))).items[0]
        await tx.sessions.fork(session.id, first.id)
        await tx.sessions.change(session.id, PatchSession(title="never"))
        await tx.sessions.delete(session.id)
        await tx.accounts.set_password(ann.user_id, "never")

    await undone(tenant, ann, spoil)

    async with tenant.store.begin(ann) as tx:
        assert (await tx.agents.list(PageAsk(order="asc"))).items == [kept, gone]
        assert (await tx.agents.versions(kept.id, PageAsk())).items == [kept]
        listed = await tx.sessions.list(PageAsk(), end_user=None, agent_id=None)
        assert listed.items == [session]
        assert (await tx.accounts.by_id(ann.user_id)).session_version == 1


async def test_a_transaction_sees_what_it_did(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = tenant.agent(ann, NewAgent(name="helper"))

    async with tenant.store.begin(ann) as tx:
        await tx.agents.add(agent)
        seen = await tx.agents.get(agent.id)

    assert seen == agent


async def test_a_run_of_an_undone_deletion_can_still_be_cancelled(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    waiting = (await tenant.asks(ann, agent, queued=True)).run
    session_id = waiting.session_id
    assert session_id is not None

    await undone(tenant, ann, lambda tx: tx.sessions.delete(session_id))

    run, events = await tenant.runs.events(ann, waiting.id, 0)
    assert (run.status, [event.type for event in events]) == ("queued", ["run.queued"])
    assert (await tenant.runs.cancel(ann, waiting.id)).status == "cancelled"
    assert (await tenant.runs.cancel(ann, waiting.id)).status == "cancelled"
