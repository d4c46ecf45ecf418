"""What an ask may stand on: agents and sessions that the caller may use."""

import pytest

from polyagent.domain.agent import AgentStatus, NewAgent
from polyagent.domain.errors import AgentGone, AgentInactive, NotFound
from polyagent.domain.ids import new_id
from polyagent.domain.run import IdempotencyKey
from tests.contract.office import Office

KEY = IdempotencyKey(key="k1", route="chat", body_hash=b"a hash")
TIMES = 20


async def test_the_agent_is_the_named_one_else_the_sessions_else_a_builtin(office: Office) -> None:
    mine = await office.makes_agent(office.alice)
    code = await office.makes_agent(visibility="shared", builtin=True, type="code")
    new = office.new(agent_id=mine.id)
    await office.admits(new)

    grounds = [
        await office.ground(agent_id=code.id, session_id=new.session_id),
        await office.ground(session_id=new.session_id),
        await office.ground(agent_type="code", session_id=new.session_id),
        await office.ground(agent_type="code"),
        await office.ground(),
    ]

    assert [ground.agent for ground in grounds] == [code, mine, code, code, office.agent]


async def test_agents_that_are_not_to_be_seen_cannot_be_asked(office: Office) -> None:
    theirs = await office.makes_agent(office.bob)
    shared = await office.makes_agent(office.bob, visibility="shared")

    with pytest.raises(NotFound):
        await office.ground(agent_id=theirs.id)
    with pytest.raises(NotFound):
        await office.ground(agent_id=new_id())
    with pytest.raises(NotFound):
        await office.ground(agent_type="research")
    assert (await office.ground(agent_id=shared.id)).agent == shared
    assert (await office.ground(office.admin, agent_id=theirs.id)).agent == theirs


@pytest.mark.parametrize("status", ["inactive", "archived"])
async def test_an_agent_that_is_not_active_answers_nobody(
    office: Office, status: AgentStatus
) -> None:
    agent = await office.makes_agent(office.alice, status=status)

    with pytest.raises(AgentInactive):
        await office.ground(agent_id=agent.id)
    assert (await office.ground(agent_id=agent.id, resting=True)).agent == agent


async def test_a_session_outlives_its_agent_and_goes_on_with_another(office: Office) -> None:
    agent = await office.makes_agent(office.alice)
    work = await office.works(agent_id=agent.id)
    await office.answers(work)
    session_id = work.run.session_id
    async with office.store.begin(office.alice) as tx:
        await tx.agents.delete(agent.id, version=None)

    with pytest.raises(AgentGone):
        await office.ground(session_id=session_id)
    with pytest.raises(NotFound):
        await office.ground(session_id=session_id, agent_id=agent.id)
    by_type = await office.ground(session_id=session_id, agent_type="general")
    by_id = await office.ground(session_id=session_id, agent_id=office.agent.id)

    assert by_type.agent == by_id.agent == office.agent
    assert by_id.session is not None
    assert by_id.session.agent_id == agent.id
    assert [message.content for message in by_id.history] == ["hello", "hi"]


async def test_an_agent_that_is_shared_no_longer_is_gone_for_the_sessions_of_others(
    office: Office,
) -> None:
    agent = await office.makes_agent(office.bob, visibility="shared")
    hers = await office.works(agent_id=agent.id)
    his = await office.admits(office.new(agent_id=agent.id), office.bob)
    async with office.store.begin(office.bob) as tx:
        await tx.agents.change(agent.id, NewAgent(name="mine"), version=1)

    with pytest.raises(AgentGone):
        await office.ground(session_id=hers.run.session_id)
    with pytest.raises(NotFound):
        await office.ground(agent_id=agent.id)
    ground = await office.ground(office.bob, session_id=his.run.session_id)

    assert ground.agent.visibility == "private"
    assert await office.answers(hers) is False


async def test_the_agent_of_a_session_that_was_put_to_rest_says_so(office: Office) -> None:
    agent = await office.makes_agent(office.alice)
    work = await office.works(agent_id=agent.id)
    async with office.store.begin(office.alice) as tx:
        await tx.agents.change(agent.id, NewAgent(name="old", status="archived"), version=1)

    with pytest.raises(AgentInactive, match="old is archived"):
        await office.ground(session_id=work.run.session_id)


async def test_nobody_asks_in_sessions_of_others(office: Office) -> None:
    work = await office.works()
    session_id = work.run.session_id

    for actor in (office.bob, office.admin):
        with pytest.raises(NotFound):
            await office.ground(actor, session_id=session_id)
        with pytest.raises(NotFound):
            await office.admits(office.new("hi", session_id), actor, ground=await office.ground())
    with pytest.raises(NotFound):
        await office.ground(session_id=session_id, end_user="carol")


async def test_a_session_that_went_away_meanwhile_takes_no_run(office: Office) -> None:
    work = await office.works()
    await office.answers(work)
    ground = await office.ground(session_id=work.run.session_id)
    assert ground.session is not None
    await office.rows.hide_session(ground.session.id)

    with pytest.raises(NotFound):
        await office.admits(office.new("hi", ground.session.id), ground=ground, key=KEY)
    with pytest.raises(NotFound):
        await office.ground(session_id=ground.session.id)
    with pytest.raises(NotFound):
        await office.runs.get(office.alice, work.run.id)
    assert await office.lists() == []
    assert not (await office.admits(office.new(), key=KEY)).replayed
