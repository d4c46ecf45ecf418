"""What every store does for sessions."""

import pytest
from msgspec.structs import replace

from polyagent.domain.agent import NewAgent
from polyagent.domain.chat import PatchSession
from polyagent.domain.errors import NotFound, PreconditionFailed
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from tests.contract.tenant import Tenant, read_all


async def test_a_first_message_makes_a_session(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))

    session = await tenant.talks(ann, agent, "hello there", end_user="customer")

    assert (session.user_id, session.agent_id) == (ann.user_id, agent.id)
    assert (session.title, session.end_user) == ("hello there", "customer")
    assert (session.status, session.message_count) == ("running", 1)
    async with tenant.store.begin(ann) as tx:
        messages = (await tx.sessions.messages(session.id, PageAsk(order="asc"))).items
    assert [(m.role, m.content) for m in messages] == [("user", "hello there")]


async def test_sessions_are_their_users_and_administrators(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    root = await tenant.joins("root", role="admin")
    agent = await tenant.makes(ann, NewAgent(name="helper", visibility="shared"))
    session = await tenant.talks(ann, agent)

    async with tenant.store.begin(ben) as tx:
        listed = await tx.sessions.list(PageAsk(), end_user=None, agent_id=None)
        assert listed.items == []
        for attempt in (
            tx.sessions.get(session.id),
            tx.sessions.change(session.id, PatchSession(title="mine")),
            tx.sessions.delete(session.id),
            tx.sessions.messages(session.id, PageAsk()),
        ):
            with pytest.raises(NotFound):
                await attempt
    async with tenant.store.begin(root) as tx:
        assert await tx.sessions.get(session.id) == session
        listed = await tx.sessions.list(PageAsk(), end_user=None, agent_id=None)
        assert listed.items == [session]


async def test_sessions_are_found_by_end_user_and_agent(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    one, two = [await tenant.makes(ann, NewAgent(name=name)) for name in ("one", "two")]
    of_ben = await tenant.talks(ann, one, end_user="ben")
    of_eve = await tenant.talks(ann, two, end_user="eve")
    of_all = await tenant.talks(ann, two)

    async with tenant.store.begin(ann) as tx:
        every = await tx.sessions.list(PageAsk(), end_user=None, agent_id=None)
        bens = await tx.sessions.list(PageAsk(), end_user="ben", agent_id=None)
        twos = await tx.sessions.list(PageAsk(), end_user=None, agent_id=two.id)
        none = await tx.sessions.list(PageAsk(), end_user="ben", agent_id=two.id)

    assert every.items == [of_all, of_eve, of_ben]
    assert (bens.items, twos.items, none.items) == ([of_ben], [of_all, of_eve], [])


async def test_a_patch_sets_what_it_names_and_merges_metadata(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    session = await tenant.talks(ann, agent)
    begun = PatchSession(metadata={"a": {"b": 1, "c": 2}, "d": 3})

    async with tenant.store.begin(ann) as tx:
        await tx.sessions.change(session.id, begun)
    async with tenant.store.begin(ann) as tx:
        merge = PatchSession(title="new", metadata={"a": {"b": None, "e": 4}, "d": None})
        merged = await tx.sessions.change(session.id, merge)
    async with tenant.store.begin(ann) as tx:
        cleared = await tx.sessions.change(session.id, PatchSession(title=None, metadata=None))

    assert (merged.title, merged.metadata) == ("new", {"a": {"c": 2, "e": 4}})
    assert merged.updated_at >= session.updated_at
    assert (cleared.title, cleared.metadata) == (None, {})
    async with tenant.store.begin(ann) as tx:
        assert await tx.sessions.get(session.id) == cleared


async def test_an_empty_patch_changes_nothing_of_what_is_said(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    session = await tenant.talks(ann, agent)

    async with tenant.store.begin(ann) as tx:
        after = await tx.sessions.change(session.id, PatchSession())

    assert replace(after, updated_at=session.updated_at, version=session.version) == session


async def test_a_session_at_another_version_is_left_alone(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    session = await tenant.talks(ann, agent)
    async with tenant.store.begin(ann) as tx:
        changed = await tx.sessions.change(session.id, PatchSession(title="one"), version=1)

    async with tenant.store.begin(ann) as tx:
        for attempt in (
            tx.sessions.change(session.id, PatchSession(title="two"), version=1),
            tx.sessions.delete(session.id, version=1),
        ):
            with pytest.raises(PreconditionFailed):
                await attempt

    assert (session.version, changed.version) == (1, 2)
    async with tenant.store.begin(ann) as tx:
        assert await tx.sessions.get(session.id) == changed
        await tx.sessions.delete(session.id, version=2)


async def test_what_is_said_in_a_session_makes_no_version_of_it(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    session = await tenant.talks(ann, agent)
    follow_up = replace(tenant.run(agent), session_id=session.id, new_session=False)
    await tenant.asks(ann, agent, "more", new=follow_up)

    async with tenant.store.begin(ann) as tx:
        changed = await tx.sessions.change(session.id, PatchSession(title="new"), version=1)

    assert changed.title == "new"


async def test_a_deleted_session_is_gone_with_its_runs(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    session = await tenant.talks(ann, agent)
    follow_up = replace(tenant.run(agent), session_id=session.id, new_session=False)
    queued = (await tenant.asks(ann, agent, "more", new=follow_up)).run
    ended = (await tenant.asks(ann, agent, "no", new=replace(follow_up, id=new_id()))).run
    await tenant.runs.cancel(ann, ended.id)

    async with tenant.store.begin(ann) as tx:
        asked = await tx.sessions.delete(session.id)

    assert len(asked) == 1
    assert queued.status == "queued"
    for run_id in (*asked, queued.id, ended.id):
        with pytest.raises(NotFound):
            await tenant.runs.get(ann, run_id)
    async with tenant.store.begin(ann) as tx:
        listed = await tx.sessions.list(PageAsk(), end_user=None, agent_id=None)
        assert listed.items == []
        for attempt in (
            tx.sessions.get(session.id),
            tx.sessions.messages(session.id, PageAsk()),
            tx.sessions.delete(session.id),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_messages_are_told_in_order_and_by_pages(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    session = await tenant.talks(ann, agent, "only")

    async with tenant.store.begin(ann) as tx:
        told = await read_all(
            lambda ask: tx.sessions.messages(session.id, ask), limit=1, order="asc"
        )

    assert [message.content for message in told] == ["only"]
