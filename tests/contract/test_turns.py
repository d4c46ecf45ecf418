"""When a queued run comes into the queue, who may claim it then, and how many may wait."""

import asyncio

import pytest
from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.errors import Limited, SessionBusy
from polyagent.domain.event import RunQueued, RunResumed
from polyagent.domain.ids import new_id
from polyagent.domain.queue import Entry, who
from polyagent.domain.run import IdempotencyKey
from tests.contract.office import QUEUED_RUNS, Office, cancelled, failed, final

KEY = IdempotencyKey(key="k1", route="chat", body_hash=b"a hash")
TIMES = 20


async def test_a_run_for_the_background_is_offered_at_once(office: Office) -> None:
    free = await office.works()
    await office.answers(free)
    new = [office.new(priority=7), office.new(session_id=free.run.session_id)]

    for run in new:
        await office.admits(run, background=True)

    entries = await office.queue.take(5, 0)
    assert [(e.id, e.priority) for e in entries] == [(new[0].id, 7), (new[1].id, 5)]
    assert {e.who for e in entries} == {who(office.alice.user_id)}


async def test_a_run_that_executes_is_not_offered(office: Office) -> None:
    await office.answers(await office.works())

    assert await office.turns() == []


async def test_a_run_without_a_session_is_offered(office: Office) -> None:
    new = replace(office.new(new_session=False), session_id=None)

    await office.admits(new, background=True, ground=await office.ground())

    assert await office.turns() == [new.id]


async def test_the_end_of_a_run_offers_the_next_of_its_session(office: Office) -> None:
    work = await office.works()
    queued = [await office.queues("more", work.run.session_id) for _ in range(3)]
    await office.queues()
    other = await office.turns()

    await office.calls(work, "read")
    assert await office.turns() == []
    await office.journal.commit_step(work.lease, final(work, "so", begin=3, done=2))

    assert len(other) == 1
    assert await office.turns() == [queued[0].id]


@pytest.mark.parametrize("end", [failed, cancelled])
async def test_a_run_that_ends_badly_lets_the_next_begin(office: Office, end: type) -> None:
    work = await office.works()
    queued = await office.queues("more", work.run.session_id)

    await office.journal.commit_step(work.lease, end(work))

    assert await office.turns() == [queued.id]


async def test_an_end_whose_answer_was_lost_offers_the_next_all_the_same(office: Office) -> None:
    work = await office.works()
    queued = await office.queues("more", work.run.session_id)
    record = final(work, "hi")
    await office.journal.commit_step(work.lease, record)
    await office.turns()

    await office.journal.commit_step(work.lease, record)

    assert set(await office.turns()) <= {queued.id}


async def test_cancelling_the_first_that_waits_offers_the_next(office: Office) -> None:
    first = await office.queues()
    second = await office.queues("more", first.session_id)
    third = await office.queues("more", first.session_id)
    assert await office.turns() == [first.id]

    await office.runs.cancel(office.alice, first.id)
    assert await office.turns() == [second.id]
    await office.runs.cancel(office.alice, second.id)

    assert await office.turns() == [third.id]


async def test_cancelling_a_run_that_waits_for_an_approval_offers_the_next(office: Office) -> None:
    work = await office.works()
    await office.rows.waits(work.run.id, decided=False)
    queued = await office.queues("more", work.run.session_id)

    await office.runs.cancel(office.alice, work.run.id)

    assert await office.turns() == [queued.id]


async def test_cancelling_behind_a_running_one_offers_nothing(office: Office) -> None:
    work = await office.works()
    queued = await office.queues("more", work.run.session_id)
    await office.queues("more", work.run.session_id)

    await office.runs.cancel(office.alice, queued.id)
    await office.runs.cancel(office.alice, work.run.id)

    assert await office.turns() == []


async def test_the_end_users_of_an_application_take_turns_of_their_own(office: Office) -> None:
    await office.rows.is_application(office.bob)
    for actor in (office.alice, office.bob):
        for end_user in ("carol", "dan"):
            await office.admits(office.new(end_user=end_user), actor, background=True)

    takers = [entry.who for entry in await office.queue.take(5, 0)]

    assert sorted(takers) == sorted(
        [
            *2 * [who(office.alice.user_id)],
            who(office.bob.user_id, "carol"),
            who(office.bob.user_id, "dan"),
        ]
    )


async def test_exactly_the_named_that_can_be_claimed_are(office: Office) -> None:
    busy = await office.works()
    behind = await office.queues("more", busy.run.session_id)
    first = await office.queues()
    second = await office.queues("more", first.session_id)
    gone = await office.queues()
    await office.runs.cancel(office.alice, gone.id)
    other = await office.queues()
    unnamed = await office.queues()
    handed_over = await office.works()
    await office.journal.hand_over(handed_over.lease)
    named = [behind.id, second.id, first.id, gone.id, other.id, busy.run.id, new_id()]

    works = await office.claims(limit=1, queued=named)

    assert [work.run.id for work in works] == [first.id, other.id]
    assert await office.status(unnamed.id) == "queued"


async def test_without_names_only_what_was_left_behind_is_claimed(office: Office) -> None:
    await office.queues()
    left = await office.works()
    await office.journal.hand_over(left.lease)

    works = await office.claims(queued=())

    assert [work.run.id for work in works] == [left.run.id]


async def test_no_run_is_claimed_twice_under_its_name(office: Office) -> None:
    queued = [(await office.queues()).id for _ in range(TIMES)]

    claims = [office.claims(new_id(), queued=queued) for _ in range(8)]
    works = [work for claimed in await asyncio.gather(*claims) for work in claimed]

    assert sorted(work.run.id for work in works) == sorted(queued)


async def test_a_decided_run_goes_on(office: Office) -> None:
    decided, undecided = await office.works(), await office.works()
    await office.rows.waits(decided.run.id, decided=True)
    await office.rows.waits(undecided.run.id, decided=False)

    (work,) = await office.claims(queued=())

    assert (work.run.id, work.run.status, work.run.attempt) == (decided.run.id, "running", 1)
    assert (await office.story(work.run.id))[-1] == RunResumed(1, "decision")
    assert await office.claims(queued=()) == []
    assert await office.answers(work) is False


async def test_the_backlog_is_what_could_be_claimed_now(office: Office) -> None:
    busy = await office.works()
    await office.queues("more", busy.run.session_id)
    first = await office.queues()
    await office.queues("more", first.session_id)
    other = [await office.queues() for _ in range(2)]
    offered = list(await office.queue.take(9, 0))

    entries, after = await office.backlog.page(0, 100)
    paged: list[Entry] = []
    behind = -1
    while behind:
        page, behind = await office.backlog.page(max(behind, 0), 2)
        paged += page

    assert after == 0
    assert [e.id for e in entries] == [first.id, *(run.id for run in other)]
    assert [*entries] == paged == offered
    assert await office.backlog.page(10**9, 2) == ([], 0)


async def _fill(office: Office, actor: Actor, n: int) -> None:
    await asyncio.gather(*(office.admits(office.new(), actor, background=True) for _ in range(n)))


async def test_a_user_may_queue_so_many_and_no_more(office: Office) -> None:
    await _fill(office, office.alice, QUEUED_RUNS - 10)

    asked = (office.admits(office.new(), background=True) for _ in range(TIMES))
    told = await asyncio.gather(*asked, return_exceptions=True)

    refused = [each for each in told if isinstance(each, Limited)]
    assert len(refused) == TIMES - 10
    assert refused[0].retry_after_s > 0
    assert len(await office.lists(status="queued")) == QUEUED_RUNS
    assert (await office.admits(office.new(), office.bob, background=True)).run.status == "queued"
    assert (await office.admits(office.new())).work is not None


async def test_a_full_queue_refuses_what_would_wait_and_keeps_nothing_of_it(office: Office) -> None:
    work = await office.works()
    kept = await office.admits(office.new(), background=True, key=KEY)
    await _fill(office, office.alice, QUEUED_RUNS - 1)
    behind = office.new("more", work.run.session_id)
    impatient = replace(behind, reject_if_busy=True)

    with pytest.raises(Limited):
        await office.admits(behind, key=replace(KEY, key="k2"))
    with pytest.raises(SessionBusy):
        await office.admits(impatient)
    with pytest.raises(Limited):
        await office.admits(office.new(reject_if_busy=True), background=True)

    again = await office.admits(office.new(), background=True, key=KEY)
    assert (again.run.id, again.replayed) == (kept.run.id, True)
    await office.runs.cancel(office.alice, kept.run.id)
    assert not (await office.admits(behind, key=replace(KEY, key="k2"))).replayed


async def test_those_who_come_at_once_are_told_their_own_places(office: Office) -> None:
    work = await office.works()
    ground = await office.ground(session_id=work.run.session_id)
    new = [office.new("more", work.run.session_id) for _ in range(TIMES)]

    admitted = await asyncio.gather(*(office.admits(run, ground=ground) for run in new))

    places = list(range(1, TIMES + 1))
    assert sorted(a.run.position or 0 for a in admitted) == places
    told = [(await office.story(run.id))[0] for run in new]
    assert sorted(body.position for body in told if isinstance(body, RunQueued)) == places
    for each in admitted:
        assert (await office.runs.get(office.alice, each.run.id)).position == each.run.position


async def test_whoever_comes_as_a_run_ends_is_not_forgotten(office: Office) -> None:
    """However the two meet, the newcomer runs at once or is in the queue when both are done."""
    for _ in range(TIMES):
        work = await office.works()
        ground = await office.ground(session_id=work.run.session_id)
        new = [office.new("more", work.run.session_id) for _ in range(3)]

        admitted, _ = await asyncio.gather(
            asyncio.gather(*(office.admits(run, ground=ground) for run in new)),
            office.answers(work),
        )

        running = [a.run.id for a in admitted if a.work]
        queued = await office.turns()
        entries, _ = await office.backlog.page(0, 100)
        assert [entry.id for entry in entries] == queued
        assert len(running) + len(queued) == 1
        for claimed in await office.claims(queued=queued or (new_id(),)):
            await office.answers(claimed)
        for run in await office.lists(status="queued"):
            await office.runs.cancel(office.alice, run.id)
        await office.turns()
