"""The end of runs that nobody executes then: readers are told of every call that it voids."""

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from polyagent.domain.event import RunCancelled, ToolCompleted
from polyagent.domain.ids import new_id
from polyagent.domain.run import Work
from polyagent.domain.tool import Effect, ToolCall
from tests.contract.office import DONE, Office, finished, step

Ending = Callable[[Office, Work], Awaitable[object]]


async def cancel(office: Office, work: Work) -> None:
    await office.runs.cancel(office.alice, work.run.id)


async def delete(office: Office, work: Work) -> None:
    assert work.run.session_id is not None
    async with office.store.begin(office.alice) as tx:
        assert await tx.sessions.delete(work.run.session_id) == []


async def waits(office: Office) -> tuple[Work, tuple[ToolCall, ...]]:
    """Return a run that waits for somebody's decision on two of its calls; the first is done."""
    work = await office.works()
    calls = await office.calls(work, "read", "once", "write")
    await office.journal.start_call(work.lease, calls[0].id)
    await office.journal.finish_call(work.lease, calls[0].id, DONE, finished(work, calls[0], 5))
    waiting = replace(step(work, ""), status="waiting", message=None, step=1, events=())
    await office.journal.commit_step(work.lease, waiting)
    return work, calls


@pytest.mark.parametrize(
    ("end", "reason"), [(cancel, "It was asked for."), (delete, "Its session was deleted.")]
)
async def test_a_waiting_run_ends_with_an_event_for_each_open_call(
    office: Office, end: Ending, reason: str
) -> None:
    work, calls = await waits(office)
    before = await office.events(work.run.id)

    await end(office, work)

    rest = (await office.rows.events(work.run.id))[len(before) :]
    assert [event.body for event in rest] == [
        ToolCompleted(calls[1].id, "cancelled"),
        ToolCompleted(calls[2].id, "cancelled"),
        RunCancelled(reason),
    ]
    assert [event.id for event in rest] == [before[-1].id + n for n in (1, 2, 3)]


async def test_the_calls_of_a_cancelled_waiting_run_are_cancelled(office: Office) -> None:
    work, _ = await waits(office)

    await cancel(office, work)

    told = (await office.history(work.run.session_id))[-1].tool_calls
    assert [call.state for call in told] == ["done", "cancelled", "cancelled"]
    assert await office.claims(new_id(), dead_owners=True) == []


async def test_a_queued_run_ends_with_nothing_but_its_end(office: Office) -> None:
    queued = await office.queues()

    await office.runs.cancel(office.alice, queued.id)

    assert await office.numbers(queued.id) == [(0, 1), (0, 2)]


async def test_poison_is_told_of_each_run_by_itself(office: Office) -> None:
    works = [await office.works(f"{n}") for n in range(3)]
    asked: tuple[tuple[Effect, ...], ...] = ((), ("read",), ("read", "once"))
    calls = [await office.calls(work, *effects) for work, effects in zip(works, asked, strict=True)]
    for _ in range(2):
        works = [await office.takes_over(work) for work in works]
    for work in works:
        await office.rows.expire_lease(work.lease.worker_id)

    assert await office.claims(new_id(), dead_owners=True) == []

    for work, voided in zip(works, calls, strict=True):
        events = [event for event in await office.events(work.run.id) if event.id > 40_000_000]
        told = [
            event.body.tool_call_id for event in events if isinstance(event.body, ToolCompleted)
        ]
        assert told == [call.id for call in voided]
        assert [event.id for event in events] == [40_000_001 + n for n in range(len(voided) + 1)]
        assert events[-1].type == "run.failed"
