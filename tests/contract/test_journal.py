"""What executors rely on: writes under a lease, which may be repeated."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from polyagent.domain.errors import Cancelled
from polyagent.domain.event import MessageCompleted, RunCancelled, RunResumed
from polyagent.domain.run import StepRecord, Work
from polyagent.domain.tool import ToolResult
from polyagent.domain.usage import Usage
from tests.contract.office import DONE, Office, cancelled, failed, final, finished, step, told

IN_DOUBT = ToolResult(state="in_doubt", error="nobody knows")


async def test_a_step_leaves_its_message_its_events_and_its_calls(office: Office) -> None:
    work = await office.works()

    record = step(work, "let me see", "read", "once")
    assert await office.journal.commit_step(work.lease, record) is False

    run = await office.runs.get(office.alice, work.run.id)
    assert (run.status, run.step, run.usage) == ("running", 1, Usage(output_tokens=1))
    assert (await office.history(run.session_id))[1:] == (record.message,)
    assert tuple(await office.events(run.id, work.begun.id)) == record.events


async def test_the_last_step_ends_the_run_and_frees_the_session(office: Office) -> None:
    work = await office.works()

    await office.answers(work, "hi")

    run = await office.runs.get(office.alice, work.run.id)
    assert run.status == "completed"
    assert run.finished_at is not None
    assert (await office.journal.beat(office.worker_id)).owned == {}
    assert (await office.works("more", run.session_id)).run.status == "running"


async def test_the_session_counts_its_messages(office: Office) -> None:
    work = await office.works()
    await office.calls(work, "read")
    record = final(work, "so it is 42", begin=3, done=2)

    await office.journal.commit_step(work.lease, record)

    session = (await office.ground(session_id=work.run.session_id)).session
    assert session is not None
    assert session.message_count == 3


async def test_a_step_is_recorded_once_however_often_it_is_sent(office: Office) -> None:
    work = await office.works()
    records = (step(work, "let me see", "read"), final(work, "so", begin=3, done=2))

    for record in records:
        for _ in range(3):
            assert await office.journal.commit_step(work.lease, record) is False

    assert await office.numbers(work.run.id) == [(1, n) for n in range(1, 6)]
    assert len(await office.history(work.run.session_id)) == 3


async def test_a_retry_adds_an_attempt_once(office: Office) -> None:
    work = await office.works()
    record = StepRecord(
        step=0,
        status="running",
        usage=Usage(),
        events=told(work, RunResumed(2, "retry", 1)),
        retried=True,
    )

    await office.journal.commit_step(work.lease, record)
    await office.journal.commit_step(work.lease, record)

    assert (await office.runs.get(office.alice, work.run.id)).attempt == 2


async def test_two_repetitions_at_once_record_a_step_once(office: Office) -> None:
    work = await office.works()
    record = step(work, "let me see", "read")

    await asyncio.gather(*(office.journal.commit_step(work.lease, record) for _ in range(8)))

    assert await office.numbers(work.run.id) == [(1, 1), (1, 2), (1, 3)]


async def test_a_commit_says_whether_the_run_is_to_be_cancelled(office: Office) -> None:
    work = await office.works()
    await office.runs.cancel(office.alice, work.run.id)
    record = step(work, "let me see", "read")

    assert await office.journal.commit_step(work.lease, record) is True
    assert await office.journal.commit_step(work.lease, record) is True


async def test_a_call_is_started_once_per_lease_and_finished_once(office: Office) -> None:
    work = await office.works()
    (call,) = await office.calls(work, "once")
    event = finished(work, call, 3)

    attempts = [await office.journal.start_call(work.lease, call.id) for _ in range(2)]
    ends = [await office.journal.finish_call(work.lease, call.id, DONE, event) for _ in range(2)]

    assert attempts == [1, 1]
    assert ends == [False, False]
    (told,) = (await office.history(work.run.session_id))[-1].tool_calls
    assert (told.state, told.result) == ("done", {"is": 42})
    assert await office.numbers(work.run.id) == [(1, n) for n in range(1, 5)]


async def test_a_call_that_never_started_can_end(office: Office) -> None:
    work = await office.works()
    (call,) = await office.calls(work, "read")
    unknown = ToolResult(state="failed", error="There is no such tool.")

    await office.journal.finish_call(work.lease, call.id, unknown, finished(work, call, 3, unknown))

    (told,) = (await office.history(work.run.session_id))[-1].tool_calls
    assert (told.state, told.error) == ("failed", "There is no such tool.")


async def test_no_call_starts_in_a_run_that_is_to_be_cancelled(office: Office) -> None:
    work = await office.works()
    (call,) = await office.calls(work, "read")
    await office.runs.cancel(office.alice, work.run.id)

    with pytest.raises(Cancelled):
        await office.journal.start_call(work.lease, call.id)


@pytest.mark.parametrize("state", ["pending", "started"])
@pytest.mark.parametrize("end", [failed, cancelled])
async def test_a_run_that_ends_early_answers_its_open_calls(
    office: Office, state: str, end: Callable[..., StepRecord]
) -> None:
    work = await office.works()
    first, second = await office.calls(work, "read", "once")
    await office.journal.start_call(work.lease, first.id)
    await office.journal.finish_call(work.lease, first.id, DONE, finished(work, first, 4))
    if state == "started":
        await office.journal.start_call(work.lease, second.id)

    await office.journal.commit_step(work.lease, replace(end(work, begin=5), step=1))

    told = (await office.history(work.run.session_id))[-1].tool_calls
    assert [call.state for call in told] == ["done", "cancelled"]


async def test_partial_text_of_a_cancelled_run_stays_and_is_marked(office: Office) -> None:
    work = await office.works()
    record = _partial(work)

    await office.journal.commit_step(work.lease, record)

    last = (await office.history(work.run.session_id))[-1]
    assert (last.content, last.incomplete) == ("I was say", True)


def _partial(work: Work) -> StepRecord:
    record = final(work, "I was say")
    assert record.message is not None
    message = replace(record.message, incomplete=True)
    events = told(work, MessageCompleted(1, message), RunCancelled("It was asked for."))
    return replace(record, status="cancelled", message=message, events=events)
