"""How runs pass from worker to worker, and who is fenced then."""

import asyncio

import pytest

from polyagent.domain.errors import Fenced, ToolInDoubt
from polyagent.domain.event import RunCancelled, RunFailed, RunResumed, RunStarted, ToolCompleted
from polyagent.domain.ids import new_id
from polyagent.domain.tool import Effect, ToolResult
from tests.contract.office import DONE, Office, cancelled, final, finished, said, step

IN_DOUBT = ToolResult(state="in_doubt", error="nobody knows")


async def test_a_worker_that_lives_keeps_its_run(office: Office) -> None:
    await office.works()
    other = new_id()
    await office.journal.beat(other)

    assert await office.claims(other, dead_owners=True) == []


async def test_nobody_is_declared_dead_by_one_who_may_not_judge(office: Office) -> None:
    await office.works()
    await office.rows.expire_lease(office.worker_id)

    assert await office.claims(new_id(), dead_owners=False) == []


async def test_the_run_of_a_dead_worker_goes_on_from_its_last_step(office: Office) -> None:
    work = await office.works("hello")
    await office.calls(work, "read")

    taken = await office.takes_over(work)

    assert taken.lease.epoch == 2
    assert (taken.run.attempt, taken.run.step) == (2, 1)
    assert [said(message) for message in taken.steps] == [
        ("user", "hello"),
        ("assistant", "let me see"),
    ]
    assert [call.state for call in taken.steps[-1].tool_calls] == ["pending"]
    (resumed,) = await office.events(work.run.id, after=work.begun.id + 2)
    assert resumed == taken.begun
    assert resumed.body == RunResumed(2, "takeover", discard_step=2)


async def test_the_history_of_a_taken_run_is_the_session_before_it(office: Office) -> None:
    first = await office.works("one")
    await office.answers(first, "1")
    work = await office.works("two", first.run.session_id)

    taken = await office.takes_over(work)

    assert [said(m) for m in taken.history] == [("user", "one"), ("assistant", "1")]
    assert [said(m) for m in taken.steps] == [("user", "two")]
    assert taken.spec == work.spec
    assert (taken.user_id, taken.workspace_id) == (work.user_id, work.workspace_id)


async def test_a_worker_that_was_taken_for_dead_writes_nothing_more(office: Office) -> None:
    work = await office.works()
    first, second = await office.calls(work, "read", "write")
    await office.journal.start_call(work.lease, first.id)
    taken = await office.takes_over(work)
    before = await office.events(work.run.id)

    with pytest.raises(Fenced):
        await office.journal.commit_step(work.lease, final(work, "so", begin=3, done=2))
    with pytest.raises(Fenced):
        await office.journal.start_call(work.lease, second.id)
    with pytest.raises(Fenced):
        await office.journal.finish_call(work.lease, first.id, DONE, finished(work, first, 4))
    await office.journal.hand_over(work.lease)

    assert await office.events(work.run.id) == before
    assert await office.answers(taken) is False


async def test_a_step_that_was_recorded_before_the_takeover_counts_as_recorded(
    office: Office,
) -> None:
    work = await office.works()
    record = step(work, "let me see", "read")
    await office.journal.commit_step(work.lease, record)
    await office.takes_over(work)

    assert await office.journal.commit_step(work.lease, record) is False


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_a_call_that_may_be_repeated_is_after_a_takeover(
    office: Office, effect: Effect
) -> None:
    work = await office.works()
    (call,) = await office.calls(work, effect)
    await office.journal.start_call(work.lease, call.id)
    taken = await office.takes_over(work)

    assert await office.journal.start_call(taken.lease, call.id) == 2
    assert await office.journal.start_call(taken.lease, call.id) == 2


async def test_a_once_call_that_was_caught_is_in_doubt(office: Office) -> None:
    work = await office.works()
    (call,) = await office.calls(work, "once")
    await office.journal.start_call(work.lease, call.id)
    taken = await office.takes_over(work)

    with pytest.raises(ToolInDoubt):
        await office.journal.start_call(taken.lease, call.id)
    await office.journal.finish_call(
        taken.lease, call.id, IN_DOUBT, finished(taken, call, 1, IN_DOUBT)
    )

    assert (await office.story(work.run.id))[-1] == ToolCompleted(
        call.id, "in_doubt", error="nobody knows"
    )


async def test_a_once_call_that_had_not_begun_is_made_after_a_takeover(office: Office) -> None:
    work = await office.works()
    (call,) = await office.calls(work, "once")
    taken = await office.takes_over(work)

    assert await office.journal.start_call(taken.lease, call.id) == 1


async def test_a_run_that_was_handed_over_is_anybodys_at_no_cost(office: Office) -> None:
    work = await office.works()
    await office.journal.hand_over(work.lease)
    await office.journal.hand_over(work.lease)

    (taken,) = await office.claims(new_id())

    assert (taken.run.attempt, taken.lease.epoch) == (1, 2)
    assert (await office.story(work.run.id))[-1] == RunResumed(1, "handover", discard_step=1)


async def test_a_worker_claims_its_own_run_again_by_name_only(office: Office) -> None:
    work = await office.works()

    assert await office.claims(dead_owners=True) == []
    (again,) = await office.claims(run_id=work.run.id)

    assert again.lease.epoch == 2
    assert (await office.journal.beat(office.worker_id)).owned == {work.run.id: 2}
    with pytest.raises(Fenced):
        await office.answers(work)


async def test_three_stalls_in_a_row_fail_the_run(office: Office) -> None:
    work = await office.works()
    (call,) = await office.calls(work, "read")
    taken = await office.takes_over(await office.takes_over(work))
    await office.rows.expire_lease(taken.lease.worker_id)

    assert await office.claims(new_id(), dead_owners=True) == []

    run = await office.runs.get(office.alice, work.run.id)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.code == "run_poisoned"
    voided, last = (await office.events(run.id))[-2:]
    assert [voided.id, last.id] == [40_000_001, 40_000_002]
    assert voided.body == ToolCompleted(call.id, "cancelled")
    assert isinstance(last.body, RunFailed)
    (told,) = (await office.history(run.session_id))[-1].tool_calls
    assert (told.id, told.state) == (call.id, "cancelled")
    assert (await office.works("more", run.session_id)).history[-1].tool_calls == (told,)


async def test_a_step_forgives_the_stalls_before_it(office: Office) -> None:
    work = await office.works()
    taken = await office.takes_over(await office.takes_over(work))
    await office.calls(taken, "read")

    again = await office.takes_over(taken)

    assert again.lease.epoch == 4
    assert again.run.attempt == 4


async def test_a_queued_run_begins_when_it_is_claimed(office: Office) -> None:
    queued = await office.queues("hello")

    (work,) = await office.claims()

    assert work.run.id == queued.id
    assert (work.lease.epoch, work.begun.id) == (1, 10_000_001)
    assert (work.run.status, work.run.position) == ("running", None)
    assert [said(m) for m in work.steps] == [("user", "hello")]
    assert work.steps[0].id == queued.message_id
    begun = work.begun
    assert begun is not None
    assert (await office.events(queued.id))[-1] == begun
    assert begun.body == RunStarted(office.agent.id, 1, 1)


async def test_queued_runs_of_a_session_are_answered_in_their_order(office: Office) -> None:
    first = await office.works("one")
    session_id = first.run.session_id
    for text in ("two", "three"):
        await office.queues(text, session_id)
    assert await office.claims() == []
    await office.answers(first, "1")

    (second,) = await office.claims()
    await office.answers(second, "2")
    (third,) = await office.claims()
    await office.answers(third, "3")

    assert [said(m) for m in third.history] == [
        ("user", "one"),
        ("assistant", "1"),
        ("user", "two"),
        ("assistant", "2"),
    ]
    assert [m.content for m in await office.history(session_id)][-2:] == ["three", "3"]


async def test_a_higher_priority_is_claimed_first_but_not_within_a_session(
    office: Office,
) -> None:
    low = await office.queues("low")
    urgent = office.new("urgent", low.session_id, priority=9)
    await office.admits(urgent, background=True)
    high = office.new("high", priority=7)
    await office.admits(high, background=True)

    (first,) = await office.claims(limit=1)
    (second,) = await office.claims(limit=1)

    assert [first.run.id, second.run.id] == [high.id, low.id]
    assert await office.claims() == []


async def test_no_run_is_claimed_twice_by_claims_at_once(office: Office) -> None:
    queued = [(await office.queues()).id for _ in range(20)]

    claims = [office.claims(new_id(), limit=5) for _ in range(8)]
    works = [work for claimed in await asyncio.gather(*claims) for work in claimed]
    works += await office.claims(limit=20)

    assert sorted(work.run.id for work in works) == sorted(queued)
    assert {work.lease.epoch for work in works} == {1}


async def test_a_beat_names_the_runs_of_its_worker(office: Office) -> None:
    kept = await office.works()
    stopped = await office.works()
    await office.runs.cancel(office.alice, stopped.run.id)

    beat = await office.journal.beat(office.worker_id)

    assert beat.owned == {kept.run.id: 1, stopped.run.id: 1}
    assert beat.cancelled == {stopped.run.id}


async def test_a_worker_that_left_is_not_waited_for(office: Office) -> None:
    work = await office.works()
    await office.journal.leave(office.worker_id)

    (taken,) = await office.claims(new_id(), dead_owners=True)

    assert taken.run.id == work.run.id


async def test_a_taken_run_that_was_to_be_cancelled_says_so(office: Office) -> None:
    work = await office.works()
    await office.runs.cancel(office.alice, work.run.id)

    taken = await office.takes_over(work)
    await office.journal.commit_step(taken.lease, cancelled(taken))

    assert taken.cancel_asked
    assert await office.status(work.run.id) == "cancelled"
    assert (await office.story(work.run.id))[-1] == RunCancelled("It was asked for.")
