"""How many runs of a user a scan of the journal gives away: that of the queue is counted by who takes from it."""

import asyncio
from typing import Any
from uuid import UUID

from polyagent.domain.ids import new_id
from tests.contract.office import USER_RUNS, Office


async def _queues(office: Office, n: int, **changes: Any) -> list[UUID]:
    runs = [await office.admits(office.new(**changes), background=True) for _ in range(n)]
    return [admitted.run.id for admitted in runs]


async def test_a_scan_claims_no_more_of_a_user_than_may_execute(office: Office) -> None:
    working = await office.works()  # one is at work already
    queued = await _queues(office, USER_RUNS + 2)
    bobs = (await office.admits(office.new(), office.bob, background=True)).run.id

    claimed = {work.run.id for work in await office.claims(limit=60)}
    more = await office.claims(limit=60)
    await office.answers(working)
    next_ = [work.run.id for work in await office.claims(limit=60)]

    assert claimed == {*queued[: USER_RUNS - 1], bobs}
    assert more == []
    assert next_ == [queued[USER_RUNS - 1]]


async def test_those_without_room_stand_in_nobodys_way(office: Office) -> None:
    for _ in range(USER_RUNS):
        await office.works()
    await _queues(office, 5)
    bobs = (await office.admits(office.new(), office.bob, background=True)).run.id

    assert [work.run.id for work in await office.claims(limit=1)] == [bobs]


async def test_end_users_of_an_application_have_room_of_their_own(office: Office) -> None:
    await office.rows.is_application(office.alice)
    kims = await _queues(office, USER_RUNS + 1, end_user="kim")
    lees = await _queues(office, 1, end_user="lee")

    claimed = {work.run.id for work in await office.claims(limit=60)}

    assert claimed == {*kims[:USER_RUNS], *lees}


async def test_scans_at_once_count_each_other(office: Office) -> None:
    await _queues(office, 3 * USER_RUNS)
    workers = [new_id() for _ in range(6)]

    claimed = await asyncio.gather(*(office.claims(worker, limit=8) for worker in workers))
    for worker in workers:
        claimed += [await office.claims(worker, limit=8)]

    assert sum(map(len, claimed)) == USER_RUNS


async def test_what_was_taken_of_the_queue_is_counted_by_whoever_took_it(office: Office) -> None:
    queued = await office.queues()
    for _ in range(USER_RUNS):
        await office.works()

    claimed = await office.claims(queued=[queued.id])

    assert [work.run.id for work in claimed] == [queued.id]


async def test_who_is_left_behind_goes_on_over_the_most(office: Office) -> None:
    works = [await office.works() for _ in range(USER_RUNS)]
    for work in works:
        await office.journal.hand_over(work.lease)

    assert len(await office.claims(limit=60)) == USER_RUNS
