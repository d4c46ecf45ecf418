"""What an ask may stand on: agents and sessions that the caller may use."""

import pytest

from polyagent.domain.agent import AgentStatus
from polyagent.domain.errors import Impossible, NotFound
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

    with pytest.raises(Impossible):
        await office.ground(agent_id=agent.id)


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
