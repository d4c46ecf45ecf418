"""Admitting again: the same call, or another one under the same key."""

import asyncio

import pytest
from msgspec.structs import replace

from polyagent.domain.errors import IdempotencyKeyReused
from polyagent.domain.run import Admitted, IdempotencyKey
from tests.contract.office import Office, failed

KEY = IdempotencyKey(key="k1", route="chat", body_hash=b"a hash")
TIMES = 20


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
    assert len(await office.lists()) == 1


async def test_the_run_of_a_key_is_found_without_admitting_anything(office: Office) -> None:
    nothing = await office.runs.replayed(office.alice, KEY)
    first = await office.admits(office.new(), key=KEY)

    found = await office.runs.replayed(office.alice, KEY)
    theirs = await office.runs.replayed(office.bob, KEY)
    customers = await office.runs.replayed(office.alice, replace(KEY, end_user="carol"))

    assert (nothing, theirs, customers) == (None, None, None)
    assert found == Admitted(run=first.run, replayed=True)
    with pytest.raises(IdempotencyKeyReused):
        await office.runs.replayed(office.alice, replace(KEY, body_hash=b"another"))
    await office.rows.expire_keys()
    assert await office.runs.replayed(office.alice, KEY) is None


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

    free = await office.runs.replayed(office.alice, KEY)
    second = await office.admits(office.new(), key=KEY)
    third = await office.admits(office.new(), key=KEY)

    assert free is None
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


async def test_a_key_answers_what_its_run_is_when_nothing_can_be_admitted(office: Office) -> None:
    none = await office.runs.replayed(office.alice, KEY)
    work = (await office.admits(office.new(), key=KEY)).work
    assert work is not None

    running = await office.runs.replayed(office.alice, KEY)
    await office.answers(work)
    ended = await office.runs.replayed(office.alice, KEY)

    assert none is None
    assert running is not None
    assert running.run == work.run
    assert running.work is None
    assert ended is not None
    assert (ended.run.status, ended.replayed) == ("completed", True)
    with pytest.raises(IdempotencyKeyReused):
        await office.runs.replayed(office.alice, replace(KEY, body_hash=b"another"))
    for actor, key in ((office.bob, KEY), (office.alice, replace(KEY, end_user="carol"))):
        assert await office.runs.replayed(actor, key) is None


async def test_a_key_that_would_move_on_answers_nothing(office: Office) -> None:
    work = (await office.admits(office.new(), key=KEY)).work
    assert work is not None
    await office.journal.commit_step(work.lease, failed(work, retryable=True))

    assert await office.runs.replayed(office.alice, KEY) is None


async def test_a_key_whose_session_went_away_answers_nothing(office: Office) -> None:
    work = (await office.admits(office.new(), key=KEY)).work
    assert work is not None
    assert work.run.session_id is not None
    await office.rows.hide_session(work.run.session_id)

    assert await office.runs.replayed(office.alice, KEY) is None


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
