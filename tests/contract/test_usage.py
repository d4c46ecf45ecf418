"""What every book of usage tells of the calls of models that journals recorded."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.errors import CursorInvalid, Fenced
from polyagent.domain.event import Event, RunCompleted, UsageReported
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import StepRecord, Work
from polyagent.domain.usage import GroupBy, Usage, UsageAsk, UsageReport
from tests.contract.office import NOON, Office

DAY = timedelta(days=1)
USAGE = Usage(
    input_tokens=10,
    cached_input_tokens=4,
    output_tokens=5,
    reasoning_tokens=2,
    total_tokens=15,
    cost=0.25,
)
GUESSED = Usage(input_tokens=1, output_tokens=1, total_tokens=2, estimated=True)


def _record(work: Work, usage: Usage, at: datetime, model: str, *, n: int = 1) -> StepRecord:
    spent = Event(
        id=work.begun.id + n, run_id=work.run.id, at=at, body=UsageReported(1, model, usage)
    )
    return StepRecord(step=1, status="running", usage=usage, events=(spent,))


async def _spends(
    office: Office,
    usage: Usage = USAGE,
    *,
    at: datetime = NOON,
    model: str = "m",
    actor: Actor | None = None,
    end_user: str | None = None,
) -> Work:
    """Let a run of somebody's, alice's unless told, call a model once."""
    admitted = await office.admits(office.new(end_user=end_user), actor)
    assert admitted.work is not None
    await office.journal.commit_step(admitted.work.lease, _record(admitted.work, usage, at, model))
    return admitted.work


async def _reads(
    office: Office,
    by: GroupBy = "day",
    actor: Actor | None = None,
    *,
    begin: datetime = NOON - 300 * DAY,
    end: datetime = NOON + DAY,
    **ask: Any,
) -> UsageReport:
    asked = UsageAsk(group_by=by, **ask)
    return await office.book.read(actor or office.alice, asked, begin, end)


def _told(report: UsageReport, field: str) -> list[tuple[Any, int, int]]:
    return [(getattr(item, field), item.runs, item.total_tokens) for item in report.items]


async def test_calls_are_summed_up_by_day(office: Office) -> None:
    work = await _spends(office)
    await office.journal.commit_step(work.lease, _record(work, GUESSED, NOON, "m", n=2))
    await _spends(office, at=NOON - DAY)

    report = await _reads(office)

    assert _told(report, "day") == [("2026-11-25", 1, 17), ("2026-11-24", 1, 15)]
    today, total = report.items[0], report.total
    assert (today.calls, today.input_tokens, today.cached_input_tokens) == (2, 11, 4)
    assert (today.output_tokens, today.reasoning_tokens, today.cost) == (6, 2, 0.25)
    assert today.estimated_tokens == 2
    assert (total.runs, total.calls, total.total_tokens, total.cost) == (2, 3, 32, 0.5)
    assert (report.begin, report.end) == (NOON - 300 * DAY, NOON + DAY)


async def test_days_are_those_of_utc(office: Office) -> None:
    await _spends(office, at=datetime(2026, 11, 24, 23, 59, 59, 999999, UTC))
    await _spends(office, at=datetime(2026, 11, 25, tzinfo=UTC))

    report = await _reads(office, page=PageAsk(order="asc"))

    assert _told(report, "day") == [("2026-11-24", 1, 15), ("2026-11-25", 1, 15)]


async def test_a_run_counts_once_in_the_total_whatever_it_is_grouped_by(office: Office) -> None:
    work = await _spends(office, model="large")
    await office.journal.commit_step(work.lease, _record(work, GUESSED, NOON + DAY, "small", n=2))

    for by in ("day", "model"):
        report = await _reads(office, by, end=NOON + 2 * DAY)
        assert ([item.runs for item in report.items], report.total.runs) == ([1, 1], 1)


async def test_the_beginning_counts_and_the_end_does_not(office: Office) -> None:
    for at in (NOON, NOON + DAY, NOON + 2 * DAY):
        await _spends(office, at=at)

    report = await _reads(office, begin=NOON + DAY, end=NOON + 2 * DAY)

    assert report.total.calls == 1


async def test_a_call_is_counted_once_however_often_its_step_is_sent(office: Office) -> None:
    work = (await office.admits(office.new())).work
    assert work is not None
    record = _record(work, USAGE, NOON, "m")

    await asyncio.gather(*(office.journal.commit_step(work.lease, record) for _ in range(8)))

    assert (await _reads(office)).total.calls == 1


async def test_who_was_taken_over_from_counts_nothing_more(office: Office) -> None:
    work = await _spends(office)
    taken = await office.takes_over(work)

    with pytest.raises(Fenced):
        await office.journal.commit_step(work.lease, _record(work, USAGE, NOON, "m", n=2))
    await office.journal.commit_step(taken.lease, _record(taken, GUESSED, NOON, "m"))

    report = await _reads(office)
    assert (report.total.runs, report.total.calls, report.total.total_tokens) == (1, 2, 17)


async def test_what_was_used_outlives_its_session(office: Office) -> None:
    work = await _spends(office)
    end = Event(id=work.begun.id + 2, run_id=work.run.id, at=NOON, body=RunCompleted(None, USAGE))
    record = StepRecord(step=1, status="completed", usage=USAGE, events=(end,))
    await office.journal.commit_step(work.lease, record)
    assert work.run.session_id is not None

    async with office.store.begin(office.alice) as tx:
        await tx.sessions.delete(work.run.session_id)
    while await office.upkeep.sweep():
        pass

    assert await office.rows.remains(work.run) == set()
    assert (await _reads(office, "agent")).total.total_tokens == 15


async def test_everybody_reads_their_own_and_administrators_all(office: Office) -> None:
    await _spends(office)
    await _spends(office, GUESSED, actor=office.bob)

    own = await _reads(office, "user")
    smuggled = await _reads(office, user_id=office.bob.user_id)
    everyones = await _reads(office, "user", office.admin)
    bobs = await _reads(office, "day", office.admin, user_id=office.bob.user_id)
    elsewhere = await _reads(office, "day", replace(office.admin, workspace_id=new_id()))

    alice, bob = office.alice.user_id, office.bob.user_id
    assert _told(own, "user_id") == [(alice, 1, 15)]
    assert (smuggled.items, smuggled.total.calls, smuggled.total.cost) == ([], 0, None)
    assert _told(everyones, "user_id") == [(alice, 1, 15), (bob, 1, 2)]
    assert bobs.total.total_tokens == 2
    assert elsewhere.total.runs == 0


async def test_end_users_are_told_apart(office: Office) -> None:
    await _spends(office, end_user="kim")
    await _spends(office, GUESSED)
    await _spends(office, GUESSED, end_user="lee")

    grouped = await _reads(office, "end_user")
    kims = await _reads(office, end_user="kim")

    assert _told(grouped, "end_user") == [("kim", 1, 15), ("lee", 1, 2), (None, 1, 2)]
    assert kims.total.total_tokens == 15


async def test_agents_are_called_as_they_are_now_by_those_who_see_them(office: Office) -> None:
    hidden = await office.makes_agent(office.bob, name="hidden")
    for agent_id, usage in ((office.agent.id, USAGE), (hidden.id, GUESSED)):
        admitted = await office.admits(replace(office.new(), agent_id=agent_id))
        assert admitted.work is not None
        record = _record(admitted.work, usage, NOON, "m")
        await office.journal.commit_step(admitted.work.lease, record)

    names = {item.agent_id: item.name for item in (await _reads(office, "agent")).items}
    of_all = {
        item.agent_id: item.name for item in (await _reads(office, "agent", office.admin)).items
    }
    one = await _reads(office, agent_id=hidden.id)

    assert names == {office.agent.id: office.agent.name, hidden.id: None}
    assert of_all == {office.agent.id: office.agent.name, hidden.id: "hidden"}
    assert one.total.total_tokens == 2


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("by", ["day", "model", "end_user"])
async def test_groups_are_read_a_page_at_a_time(office: Office, by: Any, order: Any) -> None:
    for n in range(5):  # two of them used equally much
        usage = replace(USAGE, total_tokens=15 + n // 2)
        told: dict[str, Any] = {
            "model": f"m{n}",
            "end_user": f"e{n}" if n else None,
            "at": NOON - n * DAY,
        }
        await _spends(office, usage, **told)

    whole = await _reads(office, by, page=PageAsk(order=order))
    paged, cursor = [], None
    while True:
        page = PageAsk(limit=2, cursor=cursor, order=order)
        report = await _reads(office, by, page=page)
        assert report.total == whole.total
        paged += report.items
        if (cursor := report.next_cursor) is None:
            break

    assert len(whole.items) == 5
    assert paged == whole.items
    totals = [item.total_tokens for item in paged]
    if by != "day":
        assert totals == sorted(totals, reverse=order == "desc")


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WzEsMl0", "W251bGwsbnVsbF0", "é", "A" * 400])
async def test_a_cursor_of_nothing_is_refused(office: Office, cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        await _reads(office, page=PageAsk(cursor=cursor))


async def test_nothing_was_used(office: Office) -> None:
    report = await _reads(office, "model", agent_id=UUID(int=1))

    assert report.items == []
    assert (report.total.runs, report.total.calls, report.total.cost) == (0, 0, None)
