"""How a run comes into a session: at once, after others, or not at all."""

import asyncio

import pytest
from msgspec.structs import replace

from polyagent.domain.errors import SessionBusy
from polyagent.domain.event import RunQueued, RunStarted
from polyagent.domain.ids import new_id
from polyagent.domain.run import IdempotencyKey
from tests.contract.office import Office, cancelled, said

KEY = IdempotencyKey(key="k1", route="chat", body_hash=b"a hash")
TIMES = 20


async def test_a_run_in_a_new_session_begins_at_once(office: Office) -> None:
    new = office.new("hello", metadata={"a": 1}, end_user="carol", priority=7)

    admitted = await office.admits(new)

    run, work = admitted.run, admitted.work
    assert work is not None
    assert (run.status, run.attempt, run.metadata) == ("running", 1, {"a": 1})
    assert (run.id, run.message_id, run.session_id) == (new.id, new.message_id, new.session_id)
    assert (work.lease.epoch, work.lease.worker_id) == (1, office.worker_id)
    assert (work.history, [said(m) for m in work.steps]) == ((), [("user", "hello")])
    assert await office.runs.get(office.alice, run.id) == run
    session = (await office.ground(session_id=run.session_id)).session
    assert session is not None
    assert (session.title, session.end_user, session.agent_id) == ("hello", "carol", new.agent_id)
    assert (session.status, session.message_count) == ("running", 1)


async def test_the_first_event_and_message_are_written_with_the_run(office: Office) -> None:
    work = await office.works("hello")

    assert await office.events(work.run.id) == [work.begun]
    assert await office.story(work.run.id) == [RunStarted(office.agent.id, 1, 1)]
    assert await office.history(work.run.session_id) == work.steps


async def test_the_next_run_of_a_session_knows_what_was_said(office: Office) -> None:
    first = await office.works("one")
    await office.answers(first, "1")

    second = await office.works("two", first.run.session_id)

    assert [said(m) for m in second.history] == [("user", "one"), ("assistant", "1")]


async def test_what_was_said_since_the_ground_was_read_is_not_missed(office: Office) -> None:
    first = await office.works("one")
    before = await office.ground(session_id=first.run.session_id)
    await office.answers(first, "1")
    between = await office.ground(session_id=first.run.session_id)
    second = await office.works("two", first.run.session_id)
    await office.answers(second, "2")

    texts = []
    for ground in (before, between):
        new = office.new("more", first.run.session_id)
        work = (await office.admits(new, ground=ground)).work
        assert work is not None
        texts.append([m.content for m in work.history])
        await office.answers(work, "well")

    assert texts[0] == ["one", "1", "two", "2"]
    assert texts[1] == ["one", "1", "two", "2", "more", "well"]


async def test_calls_that_ended_since_the_ground_was_read_are_told_as_they_are(
    office: Office,
) -> None:
    first = await office.works()
    await office.calls(first, "read")
    ground = await office.ground(session_id=first.run.session_id)
    stopped = replace(cancelled(first, begin=3), step=1)
    await office.journal.commit_step(first.lease, stopped)

    work = (await office.admits(office.new("more", first.run.session_id), ground=ground)).work

    assert work is not None
    assert [call.state for call in work.history[-1].tool_calls] == ["cancelled"]


async def test_a_background_run_waits_and_its_message_with_it(office: Office) -> None:
    run = await office.queues("hello")

    assert (run.status, run.position, run.started_at) == ("queued", 1, None)
    assert await office.runs.get(office.alice, run.id) == run
    assert await office.history(run.session_id) == ()
    (event,) = await office.events(run.id)
    assert (event.id, event.body) == (1, RunQueued(1))


async def test_a_busy_session_queues_and_tells_the_place(office: Office) -> None:
    work = await office.works()
    new = [office.new("more", work.run.session_id) for _ in range(3)]

    admitted = [await office.admits(run) for run in new]

    assert [(a.run.status, a.run.position, a.work) for a in admitted] == [
        ("queued", 1, None),
        ("queued", 2, None),
        ("queued", 3, None),
    ]
    await office.runs.cancel(office.alice, new[0].id)
    assert [(await office.runs.get(office.alice, run.id)).position for run in new] == [None, 1, 2]


async def test_a_run_does_not_overtake_one_that_waits(office: Office) -> None:
    first = await office.queues("one")

    second = await office.admits(office.new("two", first.session_id))

    assert second.run.status == "queued"


@pytest.mark.parametrize("background", [True, False])
async def test_a_run_that_will_not_wait_is_refused(office: Office, background: bool) -> None:
    work = await office.works()
    new = office.new("more", work.run.session_id, reject_if_busy=True)

    with pytest.raises(SessionBusy):
        await office.admits(new, background=background, key=KEY)
    await office.answers(work)

    assert not (await office.admits(new, background=background, key=KEY)).replayed


async def test_of_many_at_once_in_a_session_one_runs_and_the_others_wait(office: Office) -> None:
    first = await office.works("first")
    await office.answers(first)
    ground = await office.ground(session_id=first.run.session_id)
    new = [office.new(f"{n}", first.run.session_id) for n in range(TIMES)]

    admitted = await asyncio.gather(*(office.admits(run, ground=ground) for run in new))

    statuses = sorted(a.run.status for a in admitted)
    assert statuses == ["queued"] * (TIMES - 1) + ["running"]
    answered = [a.work for a in admitted if a.work]
    while works := answered or await office.claims():
        (work,) = works
        await office.answers(work, f"re {work.run.id}")
        answered = []
    texts = [said(m) for m in await office.history(first.run.session_id)]
    assert len(texts) == 2 * (TIMES + 1)
    assert [role for role, _ in texts] == ["user", "assistant"] * (TIMES + 1)


async def test_admissions_claims_and_commits_of_a_session_do_not_block_each_other(
    office: Office,
) -> None:
    first = await office.works("first")
    ground = await office.ground(session_id=first.run.session_id)
    works = [first]

    for _ in range(TIMES):
        new = [office.new("more", first.run.session_id) for _ in range(4)]
        admitted, _, claimed = await asyncio.gather(
            asyncio.gather(*(office.admits(run, ground=ground) for run in new)),
            asyncio.gather(*(office.answers(work) for work in works)),
            office.claims(),
        )
        works = [*claimed, *(a.work for a in admitted if a.work)]
        assert len(works) <= 1

    assert len(await office.lists(session_id=first.run.session_id)) == 1 + 4 * TIMES


async def test_a_run_without_a_session_is_a_run(office: Office) -> None:
    new = office.new(session_id=None, new_session=False)
    new = replace(new, session_id=None)

    work = (await office.admits(new, ground=await office.ground())).work
    assert work is not None
    await office.answers(work)
    queued = await office.admits(
        replace(new, id=new_id(), message_id=new_id()),
        ground=await office.ground(),
        background=True,
    )
    (claimed,) = await office.claims()

    assert queued.run.position == 1
    assert claimed.history == ()
    assert await office.status(work.run.id) == "completed"
