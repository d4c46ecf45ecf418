"""Runs without a session: the client brings the conversation along, and keeps it."""

from typing import Any

import pytest
from msgspec.structs import replace

from polyagent.domain.chat import TextPart
from polyagent.domain.event import RunCancelled, RunFailed, RunResumed, RunStarted
from polyagent.domain.model import PromptCall, PromptMessage
from polyagent.domain.run import MAX_STALLS, IdempotencyKey, NewRun, Spec
from polyagent.domain.tool import Tool
from tests.contract.office import Office, cancelled, failed, final, said

KEY = IdempotencyKey(key="k1", route="completions", body_hash=b"a hash")
GIVEN = (
    PromptMessage(role="system", parts=(TextPart("Be brief."),)),
    PromptMessage(role="user", parts=(TextPart("hello"),)),
    PromptMessage(role="assistant", calls=(PromptCall(id="c1", name="look", arguments="{}"),)),
    PromptMessage(role="tool", parts=(TextPart("42"),), tool_call_id="c1"),
)
LOOK = Tool(name="look", description="", parameters={"type": "object"})
SPEC = Spec(parts=(TextPart("hello"),), given=GIVEN, client_tools=(LOOK,), tool_choice="auto")


def new(office: Office, **changes: Any) -> NewRun:
    sessionless = replace(office.new(), session_id=None, new_session=False, title=None, spec=SPEC)
    return replace(sessionless, **changes)


async def test_it_begins_at_once_with_what_was_given(office: Office) -> None:
    asked = new(office)

    admitted = await office.admits(asked)

    assert admitted.work is not None
    assert (admitted.run.session_id, admitted.run.status) == (None, "running")
    assert admitted.work.spec == SPEC
    assert (admitted.work.history, [said(m) for m in admitted.work.steps]) == (
        (),
        [("user", "hello")],
    )
    assert await office.story(asked.id) == [RunStarted(office.agent.id, 1, 1)]
    assert await office.runs.get(office.alice, asked.id) == admitted.run
    assert [run.id for run in await office.lists()] == [asked.id]


async def test_none_waits_for_another(office: Office) -> None:
    runs = [(await office.admits(new(office))).run for _ in range(3)]

    assert {run.status for run in runs} == {"running"}


async def test_a_queued_one_is_claimed_from_the_queue(office: Office) -> None:
    queued = (await office.admits(new(office), background=True)).run
    (offered,) = await office.turns()

    (work,) = await office.claims(queued=[offered])

    assert (offered, queued.status, queued.position) == (queued.id, "queued", 1)
    assert (work.run.id, work.run.session_id, work.spec) == (queued.id, None, SPEC)
    assert [said(m) for m in work.steps] == [("user", "hello")]


async def test_it_is_taken_over_with_what_was_given_and_its_steps(office: Office) -> None:
    work = (await office.admits(new(office))).work
    assert work is not None
    await office.calls(work, "read")

    taken = await office.takes_over(work)

    assert (taken.spec, taken.history) == (SPEC, ())
    assert [said(m) for m in taken.steps] == [("user", "hello"), ("assistant", "let me see")]
    assert taken.begun.body == RunResumed(2, "takeover", discard_step=2)


@pytest.mark.parametrize("ending", [final, failed, cancelled])
async def test_what_was_given_goes_when_it_ends(office: Office, ending: Any) -> None:
    work = (await office.admits(new(office))).work
    assert work is not None
    assert await office.rows.spec(work.run.id) == SPEC

    await office.journal.commit_step(
        work.lease, ending(work, "hi") if ending is final else ending(work)
    )

    assert await office.rows.spec(work.run.id) == SPEC.when_over()
    assert SPEC.when_over().parts == SPEC.parts


async def test_what_was_given_goes_with_a_queued_one_that_is_cancelled(office: Office) -> None:
    queued = (await office.admits(new(office), background=True)).run

    await office.runs.cancel(office.alice, queued.id)

    assert isinstance((await office.story(queued.id))[-1], RunCancelled)
    assert await office.rows.spec(queued.id) == SPEC.when_over()


async def test_what_was_given_goes_with_one_that_kills_processes(office: Office) -> None:
    work = (await office.admits(new(office))).work
    assert work is not None
    for _ in range(MAX_STALLS - 1):
        work = await office.takes_over(work)
    await office.rows.expire_lease(work.lease.worker_id)

    assert await office.claims(office.worker_id, dead_owners=True) == []

    assert isinstance((await office.story(work.run.id))[-1], RunFailed)
    assert await office.rows.spec(work.run.id) == SPEC.when_over()


async def test_a_key_leads_back_to_it(office: Office) -> None:
    first = (await office.admits(new(office), key=KEY)).run

    again = await office.admits(new(office), key=KEY)

    assert (again.run.id, again.replayed, again.work) == (first.id, True, None)


async def test_a_name_means_ones_own_agent_before_those_of_others(office: Office) -> None:
    of_bob = await office.makes_agent(office.bob, name="helper", visibility="shared")
    builtin = await office.makes_agent(builtin=True, name="helper", visibility="shared")
    own = await office.makes_agent(office.alice, name="helper")

    assert (await office.ground(agent_name="helper")).agent == own
    assert (await office.ground(office.bob, agent_name="helper")).agent == of_bob
    assert (await office.ground(office.admin, agent_name="helper")).agent == builtin


async def test_a_name_means_an_agent_that_is_active_and_seen(office: Office) -> None:
    await office.makes_agent(office.alice, name="helper", status="archived")
    await office.makes_agent(office.admin, name="helper")
    of_bob = await office.makes_agent(office.bob, name="helper", visibility="shared")

    assert (await office.ground(agent_name="helper")).agent == of_bob
