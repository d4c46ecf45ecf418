"""Reading runs and their events, and cancelling them."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.errors import CursorInvalid, NotFound, RunFinished
from polyagent.domain.event import Event, RunCancelled
from polyagent.domain.ids import new_id
from polyagent.domain.page import Order, PageAsk
from polyagent.domain.run import IdempotencyKey, Run
from polyagent.ports.runs import NEWEST
from tests.contract.office import Office, cancelled, failed, final, person, step

KEY = IdempotencyKey(key="k1", route="chat", body_hash=b"a hash")
TIMES = 20


async def test_runs_are_their_users_and_the_administrators(office: Office) -> None:
    run = (await office.works()).run
    stranger = replace(person(), workspace_id=new_id())

    assert (await office.runs.get(office.admin, run.id)).id == run.id
    assert [r.id for r in await office.lists(office.admin)] == [run.id]
    assert await office.lists(office.bob) == []
    for actor in (office.bob, stranger, replace(office.admin, workspace_id=new_id())):
        with pytest.raises(NotFound):
            await office.runs.get(actor, run.id)
        with pytest.raises(NotFound):
            await office.runs.events(actor, run.id, 0)
        with pytest.raises(NotFound):
            await office.runs.cancel(actor, run.id)
    assert await office.status(run.id) == "running"


async def test_runs_go_with_their_session(office: Office) -> None:
    work = await office.works()
    assert work.run.session_id is not None
    await office.rows.hide_session(work.run.session_id)

    for ask in (
        office.runs.get(office.admin, work.run.id),
        office.runs.events(office.alice, work.run.id, 0),
        office.runs.cancel(office.alice, work.run.id),
    ):
        with pytest.raises(NotFound):
            await ask

    assert await office.lists() == []
    assert (await office.journal.beat(office.worker_id)).cancelled == frozenset()


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_runs_have_neither_gap_nor_repetition(office: Office, order: Order) -> None:
    made = [(await office.works()).run.id for _ in range(5)]

    found: list[Run] = []
    page = PageAsk(limit=2, order=order)
    while True:
        told = await office.runs.list(
            office.alice, page, session_id=None, status=None, end_user=None
        )
        found += told.items
        if told.next_cursor is None:
            break
        page = replace(page, cursor=told.next_cursor)

    assert [run.id for run in found] == (made if order == "asc" else made[::-1])
    with pytest.raises(CursorInvalid):
        await office.lists(page=PageAsk(cursor="nonsense"))


async def test_runs_are_found_by_session_status_and_end_user(office: Office) -> None:
    ended = await office.works()
    await office.answers(ended)
    other = await office.admits(office.new(end_user="carol"))

    by_session = await office.lists(session_id=ended.run.session_id)
    by_status = await office.lists(status="running")
    by_end_user = await office.lists(end_user="carol")

    assert [run.id for run in by_session] == [ended.run.id]
    assert [run.id for run in by_status] == [other.run.id]
    assert [run.id for run in by_end_user] == [other.run.id]


async def test_a_session_shows_all_that_has_not_ended(office: Office) -> None:
    first = await office.works()
    session_id = first.run.session_id
    assert session_id is not None
    await office.answers(first)
    running = (await office.works(session_id=session_id)).run.id
    waiting = [(await office.queues(session_id=session_id)).id for _ in range(NEWEST + 2)]
    other = (await office.works()).run

    async def told(actor: Actor, *session_ids: UUID) -> list[tuple[UUID, bool]]:
        return [
            (each.run_id, each.is_final) for each in await office.runs.latest(actor, session_ids)
        ]

    seen = await told(office.alice, session_id)
    assert [run_id for run_id, is_final in seen if not is_final] == [running, *waiting]
    assert await told(office.bob, session_id) == []
    assert await told(office.admin, session_id) == seen
    assert other.session_id is not None
    both = await told(Actor.system(), session_id, other.session_id, new_id())
    assert both == [*seen, (other.id, False)]
    await office.rows.hide_session(session_id)
    assert await told(office.alice, session_id) == []


async def test_the_newest_runs_of_a_session_are_shown_when_they_have_ended(office: Office) -> None:
    session_id = new_id()
    ended = []
    for n in range(NEWEST + 2):
        new = office.new(session_id=session_id, new_session=n == 0)
        work = (await office.admits(new)).work
        assert work is not None
        await office.answers(work)
        ended.append(work.run.id)

    seen = await office.runs.latest(office.alice, [session_id])

    assert [each.run_id for each in seen] == ended[-NEWEST:]
    assert all(each.is_final and each.session_id == session_id for each in seen)


async def test_events_are_read_on_from_any_number(office: Office) -> None:
    work = await office.works()
    await office.journal.commit_step(work.lease, step(work, "let me see", "read", "read"))
    taken = await office.takes_over(work)
    await office.journal.commit_step(taken.lease, final(taken, "so", done=2))

    every = await office.events(work.run.id)
    pages: list[Event] = []
    while part := await _next(office, work.run.id, pages):
        pages += part

    assert [event.id for event in every] == [
        *range(10_000_001, 10_000_005),
        *range(20_000_001, 20_000_004),
    ]
    assert pages == every
    assert await office.events(work.run.id, after=10_500_000) == every[4:]
    assert await office.events(work.run.id, after=99_000_000) == []


async def test_a_queued_run_is_cancelled_there_and_then(office: Office) -> None:
    work = await office.works("one")
    queued = await office.queues("two", work.run.session_id)

    run = await office.runs.cancel(office.alice, queued.id)

    assert (run.status, run.position) == ("cancelled", None)
    assert run.finished_at is not None
    assert (await office.events(queued.id))[-1].id == 2
    assert isinstance((await office.story(queued.id))[-1], RunCancelled)
    await office.answers(work, "1")
    assert await office.claims() == []
    assert len(await office.history(work.run.session_id)) == 2


async def test_a_running_run_is_asked_to_stop(office: Office) -> None:
    work = await office.works()

    runs = [await office.runs.cancel(office.admin, work.run.id) for _ in range(2)]

    assert [run.status for run in runs] == ["running", "running"]
    assert len(await office.events(work.run.id)) == 1
    await office.journal.commit_step(work.lease, cancelled(work))
    assert (await office.runs.cancel(office.alice, work.run.id)).status == "cancelled"


async def test_a_run_that_nobody_owns_can_be_cancelled(office: Office) -> None:
    work = await office.works()
    await office.journal.hand_over(work.lease)

    await office.runs.cancel(office.alice, work.run.id)

    (taken,) = await office.claims()
    assert taken.cancel_asked


async def test_a_run_that_has_ended_cannot_be_cancelled(office: Office) -> None:
    completed, broken = await office.works(), await office.works()
    await office.answers(completed)
    await office.journal.commit_step(broken.lease, failed(broken))

    for work in (completed, broken):
        with pytest.raises(RunFinished):
            await office.runs.cancel(office.alice, work.run.id)


async def test_cancelling_and_claiming_at_once_leave_one_of_both(office: Office) -> None:
    for _ in range(TIMES):
        queued = await office.queues()

        run, works = await asyncio.gather(
            office.runs.cancel(office.alice, queued.id), office.claims()
        )

        if works:
            assert await office.journal.commit_step(works[0].lease, cancelled(works[0]))
        else:
            assert run.status == "cancelled"
        ends = [event for event in await office.events(queued.id) if event.body.final]
        assert len(ends) == 1


async def _next(office: Office, run_id: UUID, read: Sequence[Event]) -> Sequence[Event]:
    after = read[-1].id if read else 0
    return (await office.runs.events(office.alice, run_id, after, limit=2))[1]
