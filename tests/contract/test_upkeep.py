"""What is taken away, whatever the adapter, and what is not."""

import asyncio

import pytest

from polyagent.domain.answer import KeptAnswer
from polyagent.domain.errors import NotFound
from polyagent.domain.ids import new_id
from polyagent.domain.run import IdempotencyKey, Run, Work
from tests.contract.office import Office, cancelled

EVERYTHING = {"runs", "run_events", "messages", "tool_calls", "sessions"}
CHAT = IdempotencyKey(key="k", route="chat", body_hash=b"a hash")
THING = IdempotencyKey(key="k", route="POST /things", body_hash=b"a hash")


async def deletes(office: Office, run: Run) -> None:
    assert run.session_id is not None
    async with office.store.begin(office.alice) as tx:
        await tx.sessions.delete(run.session_id)


async def ended(office: Office, text: str = "one") -> Work:
    work = await office.works(text)
    await office.calls(work, "read")
    await office.journal.commit_step(work.lease, cancelled(work, begin=3))
    return work


async def sweeps(office: Office) -> None:
    while await office.upkeep.sweep():
        pass


async def test_a_deleted_session_goes_with_all_that_it_left(office: Office) -> None:
    work, kept = await ended(office), await ended(office, "two")
    await deletes(office, work.run)
    before = await office.rows.remains(work.run)

    await sweeps(office)

    assert before == EVERYTHING
    assert await office.rows.remains(work.run) == set()
    assert await office.rows.remains(kept.run) == EVERYTHING


async def test_a_deleted_session_waits_for_the_end_of_its_last_run(office: Office) -> None:
    work = await office.works("one")
    await office.calls(work, "read")
    queued = await office.queues("two", work.run.session_id)
    await deletes(office, work.run)
    await sweeps(office)
    while_it_runs = await office.rows.remains(work.run)

    await office.journal.commit_step(work.lease, cancelled(work, begin=3))
    await sweeps(office)

    assert while_it_runs == EVERYTHING
    assert await office.rows.remains(work.run) == set()
    assert await office.rows.remains(queued) == set()


async def test_a_dead_owners_run_of_a_deleted_session_is_taken_over_and_ends(
    office: Office,
) -> None:
    work = await office.works("one")
    await office.calls(work, "once")
    await deletes(office, work.run)

    taken = await office.takes_over(work)
    await office.journal.commit_step(taken.lease, cancelled(taken))
    await sweeps(office)

    assert taken.cancel_asked
    assert await office.rows.remains(work.run) == set()


async def test_a_fork_outlives_the_session_that_it_comes_from(office: Office) -> None:
    work = await ended(office)
    assert work.run.session_id is not None
    at = (await office.history(work.run.session_id))[-1]
    async with office.store.begin(office.alice) as tx:
        fork = await tx.sessions.fork(work.run.session_id, at.id)
    before = await office.history(fork.id)
    await deletes(office, work.run)

    await sweeps(office)

    assert await office.history(fork.id) == before
    assert before[-1].tool_calls
    next_turn = await office.works("more", fork.id)
    assert next_turn.history == before


async def test_keys_go_after_their_time(office: Office) -> None:
    await office.admits(office.new(), key=CHAT)
    holder = new_id()
    await office.kept.begin(office.alice, THING, holder)
    await office.kept.keep(
        office.alice, THING, holder, KeptAnswer(status=201, headers={}, body="{}")
    )
    await sweeps(office)
    in_time = await office.rows.keys()

    await office.rows.expire_keys()
    await sweeps(office)

    assert in_time == 2
    assert await office.rows.keys() == 0


async def test_the_key_of_a_run_that_was_swept_is_not_used_for_another(office: Office) -> None:
    new = office.new()
    work = (await office.admits(new, key=CHAT)).work
    assert work is not None
    await office.answers(work)
    await deletes(office, work.run)
    await sweeps(office)

    with pytest.raises(NotFound, match="went away"):
        await office.admits(office.new(), key=CHAT)


async def test_any_number_may_sweep_at_once(office: Office) -> None:
    works = [await ended(office, f"{n}") for n in range(25)]
    for work in works:
        await deletes(office, work.run)

    await asyncio.gather(*(sweeps(office) for _ in range(4)))
    await sweeps(office)

    assert [await office.rows.remains(work.run) for work in works] == [set()] * 25
