"""What a forked session begins with, whatever the adapter."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from polyagent.domain.chat import Message, PatchSession, Session
from polyagent.domain.context import Conversation, prompt_messages
from polyagent.domain.errors import NotFound
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import Work
from polyagent.domain.tool import ToolResult
from tests.contract.office import DONE, Office, final, finished, said

IN_DOUBT = ToolResult(state="in_doubt", error="nobody knows")


async def forks(office: Office, work: Work, message: Message) -> Session:
    assert work.run.session_id is not None
    async with office.store.begin(office.alice) as tx:
        return await tx.sessions.fork(work.run.session_id, message.id)


async def told(office: Office, session_id: UUID | None) -> list[Message]:
    assert session_id is not None
    async with office.store.begin(office.alice) as tx:
        page = PageAsk(limit=100, order="asc")
        return (await tx.sessions.messages(session_id, page)).items


async def test_a_fork_begins_with_the_history_up_to_that_message(office: Office) -> None:
    first = await office.works("one")
    await office.answers(first, "1")
    second = await office.works("two", first.run.session_id)
    await office.answers(second, "2")
    history = await told(office, first.run.session_id)

    fork = await forks(office, first, history[2])

    copies = await told(office, fork.id)
    assert [said(m) for m in copies] == [("user", "one"), ("assistant", "1"), ("user", "two")]
    assert await office.history(fork.id) == tuple(copies)
    assert [copy.run_id for copy in copies] == [message.run_id for message in history[:3]]
    assert {copy.session_id for copy in copies} == {fork.id}
    assert not {copy.id for copy in copies} & {message.id for message in history}
    assert await told(office, first.run.session_id) == history


async def test_a_fork_is_a_session_like_the_first(office: Office) -> None:
    work = (await office.admits(office.new("one", end_user="carol"))).work
    assert work is not None
    assert work.run.session_id is not None
    async with office.store.begin(office.alice) as tx:
        patch = PatchSession(title="Mine", metadata={"a": 1})
        of = await tx.sessions.change(work.run.session_id, patch)

    fork = await forks(office, work, (await told(office, of.id))[0])

    assert (of.status, of.version) == ("running", 2)
    same = replace(of, id=fork.id, created_at=fork.created_at, updated_at=fork.updated_at)
    assert fork == replace(same, status="idle", version=1)
    async with office.store.begin(office.alice) as tx:
        listed = await tx.sessions.list(PageAsk(), end_user="carol", agent_id=None)
    assert listed.items == [fork, of]


async def test_both_sessions_go_on_by_themselves(office: Office) -> None:
    first = await office.works("one")
    await office.answers(first, "1")
    fork = await forks(office, first, (await told(office, first.run.session_id))[-1])

    here = await office.works("here", first.run.session_id)
    there = await office.works("there", fork.id)
    await office.answers(here, "h")
    await office.answers(there, "t")

    assert [m.content for m in there.history] == ["one", "1"]
    assert [m.content for m in await told(office, first.run.session_id)] == [
        "one",
        "1",
        "here",
        "h",
    ]
    assert [m.content for m in await told(office, fork.id)] == ["one", "1", "there", "t"]


async def test_a_run_that_is_under_way_does_not_take_copies_for_its_own(office: Office) -> None:
    work = await office.works("one")
    await office.calls(work, "read")
    await forks(office, work, (await told(office, work.run.session_id))[-1])

    taken = await office.takes_over(work)

    assert [said(m) for m in taken.steps] == [("user", "one"), ("assistant", "let me see")]


async def test_copies_keep_what_came_of_their_calls_by_then(office: Office) -> None:
    work = await office.works("one")
    calls = await office.calls(work, "read", "once", "read", "write")
    for n, (call, result) in enumerate(zip(calls[:2], (DONE, IN_DOUBT), strict=True), 6):
        await office.journal.start_call(work.lease, call.id)
        await office.journal.finish_call(
            work.lease, call.id, result, finished(work, call, n, result)
        )
    await office.journal.start_call(work.lease, calls[2].id)
    at = (await told(office, work.run.session_id))[-1]
    fork = await forks(office, work, at)
    third = finished(work, calls[2], 8)
    await office.journal.finish_call(work.lease, calls[2].id, DONE, third)

    (_, copy) = await told(office, fork.id)

    states = [(call.id, call.state, call.result, call.error) for call in copy.tool_calls]
    assert states == [
        (calls[0].id, "done", DONE.result, None),
        (calls[1].id, "in_doubt", None, "nobody knows"),
        (calls[2].id, "cancelled", None, None),
        (calls[3].id, "cancelled", None, None),
    ]


async def test_a_fork_of_a_fork_has_the_same_calls(office: Office) -> None:
    work = await office.works("one")
    await office.calls(work, "read")
    fork = await forks(office, work, (await told(office, work.run.session_id))[-1])
    copies = await told(office, fork.id)

    async with office.store.begin(office.alice) as tx:
        again = await tx.sessions.fork(fork.id, copies[-1].id)

    assert [m.tool_calls for m in await told(office, again.id)] == [m.tool_calls for m in copies]


async def test_a_fork_at_any_message_pairs_each_call_with_an_answer(office: Office) -> None:
    work = await office.works("one")
    calls = await office.calls(work, "read", "once")
    await office.journal.start_call(work.lease, calls[0].id)
    history = await told(office, work.run.session_id)

    for message in history:
        fork = await forks(office, work, message)
        next_turn = await office.works("and now?", fork.id)
        prompt = prompt_messages(
            None, Conversation(history=next_turn.history, steps=next_turn.steps)
        )
        asked = [call.id for told_of in prompt for call in told_of.calls]
        answered = [each.tool_call_id for each in prompt if each.role == "tool"]
        assert asked == answered == [call.id for call in message.tool_calls]


async def test_deleting_the_first_session_leaves_the_fork(office: Office) -> None:
    work = await office.works("one")
    await office.calls(work, "read")
    fork = await forks(office, work, (await told(office, work.run.session_id))[-1])
    before = await told(office, fork.id)
    assert work.run.session_id is not None

    async with office.store.begin(office.alice) as tx:
        await tx.sessions.delete(work.run.session_id)

    assert await told(office, fork.id) == before
    assert (await office.works("more", fork.id)).history == tuple(before)


async def test_what_is_not_there_or_not_the_actors_cannot_be_forked(office: Office) -> None:
    mine, other = await office.works("one"), await office.works("two")
    message = (await told(office, mine.run.session_id))[0]
    elsewhere = (await told(office, other.run.session_id))[0]
    queued = await office.queues("later", mine.run.session_id)
    assert mine.run.session_id is not None
    assert queued.message_id is not None

    for actor, session_id, message_id in (
        (office.bob, mine.run.session_id, message.id),
        (office.alice, new_id(), message.id),
        (office.alice, mine.run.session_id, elsewhere.id),
        (office.alice, mine.run.session_id, queued.message_id),
        (office.alice, mine.run.session_id, new_id()),
    ):
        with pytest.raises(NotFound):
            async with office.store.begin(actor) as tx:
                await tx.sessions.fork(session_id, message_id)


async def test_an_administrators_fork_is_its_own(office: Office) -> None:
    work = await office.works("one")
    await office.journal.commit_step(work.lease, final(work, "1"))
    assert work.run.session_id is not None
    message = (await told(office, work.run.session_id))[-1]

    async with office.store.begin(office.admin) as tx:
        fork = await tx.sessions.fork(work.run.session_id, message.id)

    assert fork.user_id == office.admin.user_id
    assert (await office.ground(office.admin, session_id=fork.id)).history
    with pytest.raises(NotFound):
        await office.ground(office.alice, session_id=fork.id)
