"""What those who ask rely on: admission, order, keys, cancelling, reading on from a cursor."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.errors import (
    CursorInvalid,
    IdempotencyKeyReused,
    Impossible,
    NotFound,
    RunFinished,
    SessionBusy,
)
from polyagent.domain.event import Event, RunCancelled, RunQueued, RunStarted
from polyagent.domain.ids import new_id
from polyagent.domain.page import Order, PageAsk
from polyagent.domain.run import IdempotencyKey, Run, RunStatus
from tests.contract.office import Office, cancelled, failed, final, person, said, step

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

    assert await office.events(work.run.id) == [work.begun()]
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

    assert len(await _listed(office, session_id=first.run.session_id)) == 1 + 4 * TIMES


async def test_admitting_again_answers_what_the_run_is(office: Office) -> None:
    new = office.new()
    first = await office.admits(new)

    again = await office.admits(new)
    assert first.work is not None
    await office.answers(first.work)
    ended = await office.admits(new)

    assert again == first
    assert (ended.run.status, ended.work, ended.replayed) == ("completed", None, False)


async def test_admitting_again_under_a_key_gives_the_work_that_nobody_got(office: Office) -> None:
    first = await office.works("one")
    await office.answers(first, "1")
    new = office.new("two", first.run.session_id)
    lost = await office.admits(new, key=KEY)

    again = await office.admits(new, key=KEY)

    assert again == lost
    assert again.work is not None


async def test_admitting_again_does_not_take_a_run_from_its_executor(office: Office) -> None:
    new = office.new()
    work = (await office.admits(new)).work
    assert work is not None
    await office.takes_over(work)

    again = await office.admits(new)

    assert (again.run.status, again.work) == ("running", None)


async def test_admitting_a_queued_run_again_changes_nothing(office: Office) -> None:
    new = office.new()
    await office.admits(new, background=True)

    again = await office.admits(new, background=True)

    assert (again.run.position, again.replayed) == (1, False)
    assert await office.numbers(new.id) == [(0, 1)]


async def test_a_key_attaches_to_the_run_it_began(office: Office) -> None:
    first = await office.admits(office.new(), key=KEY)
    assert first.work is not None

    attached = await office.admits(office.new(), key=KEY)
    await office.answers(first.work)
    ended = await office.admits(office.new(), key=KEY)

    assert (attached.run.id, attached.replayed, attached.work) == (first.run.id, True, None)
    assert (ended.run.id, ended.run.status) == (first.run.id, "completed")
    assert len(await _listed(office)) == 1


async def test_of_many_at_once_under_a_key_one_runs(office: Office) -> None:
    ground = await office.ground()

    admitted = await asyncio.gather(
        *(office.admits(office.new(), ground=ground, key=KEY) for _ in range(TIMES))
    )

    assert len({a.run.id for a in admitted}) == 1
    assert sorted(a.replayed for a in admitted) == [False] + [True] * (TIMES - 1)
    assert len([a for a in admitted if a.work]) == 1


async def test_a_key_is_refused_for_something_else(office: Office) -> None:
    await office.admits(office.new(), key=KEY)

    with pytest.raises(IdempotencyKeyReused):
        await office.admits(office.new(), key=replace(KEY, body_hash=b"another"))


@pytest.mark.parametrize("change", [{"route": "tasks"}, {"end_user": "carol"}, {"key": "k2"}])
async def test_keys_differ_by_route_and_end_user(office: Office, change: dict[str, str]) -> None:
    await office.admits(office.new(), key=KEY)

    other = await office.admits(office.new(), key=replace(KEY, **change))

    assert not other.replayed


async def test_keys_of_others_are_others(office: Office) -> None:
    await office.admits(office.new(), key=KEY)

    assert not (await office.admits(office.new(), office.bob, key=KEY)).replayed


async def test_a_key_is_free_again_after_its_time(office: Office) -> None:
    await office.admits(office.new(), key=KEY)
    await office.rows.expire_keys()

    fresh = await office.admits(office.new(), key=replace(KEY, body_hash=b"another"))

    assert not fresh.replayed


async def test_a_key_moves_on_from_a_run_that_failed_before_any_output(office: Office) -> None:
    first = (await office.admits(office.new(), key=KEY)).work
    assert first is not None
    await office.journal.commit_step(first.lease, failed(first, retryable=True))

    second = await office.admits(office.new(), key=KEY)
    third = await office.admits(office.new(), key=KEY)

    assert (second.replayed, second.run.id == first.run.id) == (False, False)
    assert (third.replayed, third.run.id) == (True, second.run.id)


async def test_a_key_moves_once_however_many_try(office: Office) -> None:
    first = (await office.admits(office.new(), key=KEY)).work
    assert first is not None
    await office.journal.commit_step(first.lease, failed(first, retryable=True))
    ground = await office.ground()

    admitted = await asyncio.gather(
        *(office.admits(office.new(), ground=ground, key=KEY) for _ in range(TIMES))
    )

    assert len({a.run.id for a in admitted}) == 1
    assert len([a for a in admitted if not a.replayed]) == 1


async def test_a_key_stays_with_a_run_that_failed_for_good(office: Office) -> None:
    first = (await office.admits(office.new(), key=KEY)).work
    assert first is not None
    await office.journal.commit_step(first.lease, failed(first))

    assert (await office.admits(office.new(), key=KEY)).replayed


async def test_a_key_stays_with_a_run_that_failed_after_output(office: Office) -> None:
    first = (await office.admits(office.new(), key=KEY)).work
    assert first is not None
    await office.calls(first, "read")
    await office.journal.commit_step(
        first.lease, replace(failed(first, retryable=True, begin=3), step=1)
    )

    assert (await office.admits(office.new(), key=KEY)).replayed


async def test_the_agent_is_the_named_one_else_the_sessions_else_a_builtin(office: Office) -> None:
    mine = await office.makes_agent(office.alice)
    code = await office.makes_agent(visibility="shared", builtin=True, type="code")
    new = office.new(agent_id=mine.id)
    await office.admits(new)

    grounds = [
        await office.ground(agent_id=code.id, session_id=new.session_id),
        await office.ground(session_id=new.session_id),
        await office.ground(agent_type="code"),
        await office.ground(),
    ]

    assert [ground.agent for ground in grounds] == [code, mine, code, office.agent]


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
async def test_an_agent_that_is_not_active_answers_nobody(office: Office, status: str) -> None:
    agent = await office.makes_agent(
        office.alice, status="inactive" if status == "inactive" else "archived"
    )

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
    assert await _listed(office) == []
    assert not (await office.admits(office.new(), key=KEY)).replayed


async def test_runs_are_their_users_and_the_administrators(office: Office) -> None:
    run = (await office.works()).run
    stranger = replace(person(), workspace_id=new_id())

    assert (await office.runs.get(office.admin, run.id)).id == run.id
    assert [r.id for r in await _listed(office, office.admin)] == [run.id]
    assert await _listed(office, office.bob) == []
    for actor in (office.bob, stranger, replace(office.admin, workspace_id=new_id())):
        with pytest.raises(NotFound):
            await office.runs.get(actor, run.id)
        with pytest.raises(NotFound):
            await office.runs.events(actor, run.id, 0)
        with pytest.raises(NotFound):
            await office.runs.cancel(actor, run.id)
    assert await office.status(run.id) == "running"


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
        await _listed(office, page=PageAsk(cursor="nonsense"))


async def test_runs_are_found_by_session_status_and_end_user(office: Office) -> None:
    ended = await office.works()
    await office.answers(ended)
    other = await office.admits(office.new(end_user="carol"))

    by_session = await _listed(office, session_id=ended.run.session_id)
    by_status = await _listed(office, status="running")
    by_end_user = await _listed(office, end_user="carol")

    assert [run.id for run in by_session] == [ended.run.id]
    assert [run.id for run in by_status] == [other.run.id]
    assert [run.id for run in by_end_user] == [other.run.id]


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


async def _next(office: Office, run_id: UUID, read: Sequence[Event]) -> Sequence[Event]:
    after = read[-1].id if read else 0
    return (await office.runs.events(office.alice, run_id, after, limit=2))[1]


async def _listed(
    office: Office,
    actor: Actor | None = None,
    *,
    session_id: UUID | None = None,
    status: RunStatus | None = None,
    end_user: str | None = None,
    page: PageAsk = PageAsk(limit=100),  # noqa: B008  # frozen
) -> list[Run]:
    found = await office.runs.list(
        actor or office.alice, page, session_id=session_id, status=status, end_user=end_user
    )
    return found.items
