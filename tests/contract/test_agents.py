"""What every store does for agents."""

import pytest

from polyagent.domain.account import Actor
from polyagent.domain.agent import NewAgent
from polyagent.domain.errors import Forbidden, NameTaken, NotFound, PreconditionFailed
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from tests.contract.tenant import Tenant, read_all


async def test_an_agent_is_read_as_it_was_made(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    new = NewAgent(name="helper", tools=("calculator",), metadata={"nested": {"list": [1.5]}})

    agent = await tenant.makes(ann, new)

    async with tenant.store.begin(ann) as tx:
        assert await tx.agents.get(agent.id) == agent
        assert (await tx.agents.list(PageAsk())).items == [agent]


async def test_an_unknown_agent_is_not_found(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")

    async with tenant.store.begin(ann) as tx:
        for attempt in (
            tx.agents.get(new_id()),
            tx.agents.change(new_id(), NewAgent(name="x"), version=1),
            tx.agents.delete(new_id(), version=None),
            tx.agents.versions(new_id(), PageAsk()),
            tx.agents.at_version(new_id(), 1),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_a_change_makes_the_next_version_and_keeps_the_last(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    first = await tenant.makes(ann, NewAgent(name="helper", description="old"))

    async with tenant.store.begin(ann) as tx:
        second = await tx.agents.change(first.id, NewAgent(name="helper"), version=1)

    async with tenant.store.begin(ann) as tx:
        assert (second.version, second.description) == (2, None)
        assert (second.id, second.created_at) == (first.id, first.created_at)
        assert await tx.agents.get(first.id) == second
        assert await tx.agents.at_version(first.id, 1) == first
        assert await tx.agents.at_version(first.id, 2) == second
        versions = await read_all(lambda ask: tx.agents.versions(first.id, ask), limit=1)
        assert versions == [second, first]
        with pytest.raises(NotFound):
            await tx.agents.at_version(first.id, 3)


async def test_a_change_of_another_version_is_refused(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))

    for version in (0, 2):
        with pytest.raises(PreconditionFailed):
            async with tenant.store.begin(ann) as tx:
                await tx.agents.change(agent.id, NewAgent(name="other"), version=version)
        with pytest.raises(PreconditionFailed):
            async with tenant.store.begin(ann) as tx:
                await tx.agents.delete(agent.id, version=version)

    async with tenant.store.begin(ann) as tx:
        assert await tx.agents.get(agent.id) == agent


async def test_names_are_unique_per_owner(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    await tenant.makes(ann, NewAgent(name="helper"))
    other = await tenant.makes(ann, NewAgent(name="other"))

    await tenant.makes(ben, NewAgent(name="helper"))
    with pytest.raises(NameTaken):
        await tenant.makes(ann, NewAgent(name="helper"))
    with pytest.raises(NameTaken):
        async with tenant.store.begin(ann) as tx:
            await tx.agents.change(other.id, NewAgent(name="helper"), version=1)

    async with tenant.store.begin(ann) as tx:
        assert await tx.agents.get(other.id) == other


async def test_a_deleted_agent_is_gone_and_its_name_free(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))

    async with tenant.store.begin(ann) as tx:
        await tx.agents.delete(agent.id, version=1)

    again = await tenant.makes(ann, NewAgent(name="helper"))
    async with tenant.store.begin(ann) as tx:
        assert (await tx.agents.list(PageAsk())).items == [again]
        for attempt in (
            tx.agents.get(agent.id),
            tx.agents.versions(agent.id, PageAsk()),
            tx.agents.delete(agent.id, version=None),
            tx.agents.change(agent.id, NewAgent(name="x"), version=1),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_a_private_agent_is_as_good_as_absent_for_others(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    agent = await tenant.makes(ann, NewAgent(name="helper"))

    async with tenant.store.begin(ben) as tx:
        assert (await tx.agents.list(PageAsk())).items == []
        for attempt in (
            tx.agents.get(agent.id),
            tx.agents.change(agent.id, NewAgent(name="x"), version=1),
            tx.agents.delete(agent.id, version=None),
            tx.agents.versions(agent.id, PageAsk()),
            tx.agents.at_version(agent.id, 1),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_a_shared_agent_is_read_by_all_and_changed_by_its_owner(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    agent = await tenant.makes(ann, NewAgent(name="helper", visibility="shared"))

    async with tenant.store.begin(ben) as tx:
        assert await tx.agents.get(agent.id) == agent
        assert (await tx.agents.list(PageAsk())).items == [agent]
        assert await tx.agents.at_version(agent.id, 1) == agent
        with pytest.raises(Forbidden):
            await tx.agents.change(agent.id, NewAgent(name="x"), version=1)
        with pytest.raises(Forbidden):
            await tx.agents.delete(agent.id, version=None)


async def test_an_administrator_sees_and_changes_everything_in_its_workspace(
    tenant: Tenant,
) -> None:
    ann, root = await tenant.joins("ann"), await tenant.joins("root", role="admin")
    agent = await tenant.makes(ann, NewAgent(name="helper"))

    async with tenant.store.begin(root) as tx:
        changed = await tx.agents.change(agent.id, NewAgent(name="renamed"), version=1)

    assert changed.owner_id == ann.user_id
    async with tenant.store.begin(root) as tx:
        assert (await tx.agents.list(PageAsk())).items == [changed]
        await tx.agents.delete(agent.id, version=2)
        assert (await tx.agents.list(PageAsk())).items == []


async def test_no_role_reaches_into_another_workspace(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper", visibility="shared"))

    async with tenant.store.begin(Actor.system(new_id())) as tx:
        assert (await tx.agents.list(PageAsk())).items == []
        with pytest.raises(NotFound):
            await tx.agents.get(agent.id)
        with pytest.raises(NotFound):
            await tx.agents.delete(agent.id, version=None)


async def test_an_administrator_with_a_narrow_key_is_none(tenant: Tenant) -> None:
    ann, root = await tenant.joins("ann"), await tenant.joins("root", role="admin")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    key = Actor(root.user_id, tenant.id, "admin", frozenset({"agents:read"}))

    async with tenant.store.begin(key) as tx:
        with pytest.raises(NotFound):
            await tx.agents.get(agent.id)
