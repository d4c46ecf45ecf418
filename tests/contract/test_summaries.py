"""Summaries in the journal: they stand for what came before, in the session and for whoever takes over."""

from msgspec.structs import replace

from polyagent.domain.chat import Message, TextPart
from polyagent.domain.event import ContextCompacted
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import StepRecord, Work
from polyagent.domain.usage import Usage
from tests.contract.office import NOON, Office, final, said, told


def summary(work: Work, text: str, covers: Message, *, begin: int = 1) -> StepRecord:
    """Return the record of a summary that stands for all up to the message `covers`."""
    message = Message(
        id=new_id(),
        session_id=work.run.session_id,
        run_id=work.run.id,
        role="system",
        content=text,
        parts=(TextPart(text),),
        created_at=NOON,
    )
    return StepRecord(
        step=work.run.step,
        status="running",
        usage=Usage(output_tokens=3),
        events=told(work, ContextCompacted(2, message.id), begin=begin),
        summary=message,
        covers=covers.id,
    )


async def two_turns(office: Office) -> Work:
    """Return the third run of a session, which is under way."""
    first = await office.works("one")
    await office.answers(first, "1")
    second = await office.works("two", first.run.session_id)
    await office.answers(second, "2")
    return await office.works("three", first.run.session_id)


async def test_a_summary_stands_for_what_it_covers_from_then_on(office: Office) -> None:
    work = await two_turns(office)
    record = summary(work, "They counted.", work.history[1])

    await office.journal.commit_step(work.lease, record)
    await office.journal.commit_step(work.lease, final(work, "3", begin=2))

    ground = await office.ground(session_id=work.run.session_id)
    assert ground.summary == record.summary
    assert [m.content for m in ground.history] == ["two", "2", "three", "3"]
    next_turn = await office.works("four", work.run.session_id)
    assert next_turn.summary == record.summary
    assert next_turn.history == ground.history


async def test_a_summary_is_a_message_of_the_session(office: Office) -> None:
    work = await two_turns(office)

    await office.journal.commit_step(work.lease, summary(work, "They counted.", work.history[1]))

    assert work.run.session_id is not None
    async with office.store.begin(office.alice) as tx:
        session = await tx.sessions.get(work.run.session_id)
        page = PageAsk(limit=100, order="asc")
        messages = (await tx.sessions.messages(work.run.session_id, page)).items
    assert said(messages[-1]) == ("system", "They counted.")
    assert session.message_count == len(messages) == 6


async def test_the_newest_summary_counts(office: Office) -> None:
    work = await two_turns(office)
    records = [
        summary(work, "first", work.history[1]),
        summary(work, "second", work.history[3], begin=2),
    ]

    for record in records:
        await office.journal.commit_step(work.lease, record)

    taken = await office.takes_over(work)
    assert taken.summary == records[1].summary
    assert taken.history == ()
    assert [m.content for m in taken.steps] == ["three"]


async def test_a_run_that_is_taken_over_goes_on_from_its_summary(office: Office) -> None:
    work = await two_turns(office)
    await office.calls(work, "read")
    taken = await office.takes_over(work)

    await office.journal.commit_step(taken.lease, summary(taken, "All of it.", taken.steps[-1]))

    again = await office.takes_over(taken)
    assert again.summary is not None
    assert again.history == ()
    assert [said(m) for m in again.steps] == [("user", "three")]


async def test_a_summary_is_recorded_once(office: Office) -> None:
    work = await two_turns(office)
    record = summary(work, "They counted.", work.history[1])

    for _ in range(3):
        assert await office.journal.commit_step(work.lease, record) is False

    run = await office.runs.get(office.alice, work.run.id)
    assert (run.status, run.step, run.usage) == ("running", 0, record.usage)
    ground = await office.ground(session_id=work.run.session_id)
    assert ground.session is not None
    assert ground.session.message_count == 6


async def test_a_fork_keeps_the_summary_of_what_it_copies(office: Office) -> None:
    work = await two_turns(office)
    record = summary(work, "They counted.", work.history[1])
    await office.journal.commit_step(work.lease, record)
    await office.journal.commit_step(work.lease, final(work, "3", begin=2))
    assert work.run.session_id is not None
    async with office.store.begin(office.alice) as tx:
        page = PageAsk(limit=100, order="asc")
        messages = (await tx.sessions.messages(work.run.session_id, page)).items
        fork = await tx.sessions.fork(work.run.session_id, messages[-1].id)
        early = await tx.sessions.fork(work.run.session_id, messages[3].id)

    ground = await office.ground(session_id=fork.id)
    before = await office.ground(session_id=early.id)

    assert ground.summary is not None
    assert ground.summary.content == "They counted."
    assert [m.content for m in ground.history] == ["two", "2", "three", "3"]
    assert before.summary is None
    assert [m.content for m in before.history] == ["one", "1", "two", "2"]


async def test_a_run_without_a_session_has_summaries_of_its_own(office: Office) -> None:
    admitted = await office.admits(replace(office.new("alone"), session_id=None, new_session=False))
    work = admitted.work
    assert work is not None
    await office.calls(work, "read")
    taken = await office.takes_over(work)

    record = summary(taken, "It looked.", taken.steps[-1])
    await office.journal.commit_step(taken.lease, record)

    again = await office.takes_over(taken)
    assert again.summary == record.summary
    assert [m.content for m in again.steps] == ["alone"]
