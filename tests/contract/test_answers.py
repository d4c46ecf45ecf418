"""What every adapter does for answers under idempotency keys."""

import asyncio

import pytest
from msgspec.structs import replace

from polyagent.domain.answer import KeptAnswer
from polyagent.domain.errors import IdempotencyKeyReused, InProgress
from polyagent.domain.ids import new_id
from polyagent.domain.run import IdempotencyKey
from tests.contract.office import Office

KEY = IdempotencyKey(key="k1", route="POST /things", body_hash=b"a hash")
ANSWER = KeptAnswer(status=201, headers={"Location": "/things/1"}, body='{"id": "\\u0000 é"}')
TIMES = 20


async def test_a_key_that_has_an_answer_gives_it(office: Office) -> None:
    holder = new_id()

    free = await office.kept.begin(office.alice, KEY, holder)
    await office.kept.keep(office.alice, KEY, holder, ANSWER)

    assert free is None
    for _ in range(2):
        assert await office.kept.begin(office.alice, KEY, new_id()) == ANSWER


async def test_a_key_that_is_held_is_in_progress(office: Office) -> None:
    holder = new_id()
    await office.kept.begin(office.alice, KEY, holder)
    await office.kept.renew(office.alice, KEY, holder)

    with pytest.raises(InProgress):
        await office.kept.begin(office.alice, KEY, new_id())


async def test_a_key_stands_for_one_body_held_or_answered(office: Office) -> None:
    holder, other = new_id(), replace(KEY, body_hash=b"another")
    await office.kept.begin(office.alice, KEY, holder)

    with pytest.raises(IdempotencyKeyReused):
        await office.kept.begin(office.alice, other, new_id())
    await office.kept.keep(office.alice, KEY, holder, ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        await office.kept.begin(office.alice, other, new_id())


async def test_a_key_that_was_released_is_free_for_anything(office: Office) -> None:
    holder = new_id()
    await office.kept.begin(office.alice, KEY, holder)

    await office.kept.release(office.alice, KEY, holder)

    other = replace(KEY, body_hash=b"another")
    assert await office.kept.begin(office.alice, other, new_id()) is None


@pytest.mark.parametrize("is_answered", [False, True])
async def test_a_key_is_free_after_its_time(office: Office, is_answered: bool) -> None:
    holder = new_id()
    await office.kept.begin(office.alice, KEY, holder)
    if is_answered:
        await office.kept.keep(office.alice, KEY, holder, ANSWER)
    await office.rows.expire_keys()

    other = replace(KEY, body_hash=b"another")
    assert await office.kept.begin(office.alice, other, new_id()) is None


async def test_who_lost_its_key_changes_nothing_of_the_next_holders(office: Office) -> None:
    late, holder = new_id(), new_id()
    await office.kept.begin(office.alice, KEY, late)
    await office.rows.expire_keys()
    await office.kept.begin(office.alice, KEY, holder)

    await office.kept.renew(office.alice, KEY, late)
    await office.kept.keep(office.alice, KEY, late, ANSWER)
    await office.kept.release(office.alice, KEY, late)

    with pytest.raises(InProgress):
        await office.kept.begin(office.alice, KEY, new_id())


async def test_an_answer_is_not_released(office: Office) -> None:
    holder = new_id()
    await office.kept.begin(office.alice, KEY, holder)
    await office.kept.keep(office.alice, KEY, holder, ANSWER)

    await office.kept.release(office.alice, KEY, holder)
    await office.kept.renew(office.alice, KEY, holder)

    assert await office.kept.begin(office.alice, KEY, new_id()) == ANSWER


async def test_keys_are_their_users_routes_and_end_users(office: Office) -> None:
    await office.kept.begin(office.alice, KEY, new_id())

    for actor, key in (
        (office.bob, KEY),
        (office.alice, replace(KEY, route="POST /others")),
        (office.alice, replace(KEY, end_user="carol")),
        (office.alice, replace(KEY, key="k2")),
    ):
        assert await office.kept.begin(actor, key, new_id()) is None


async def test_of_many_at_once_one_takes_the_key(office: Office) -> None:
    begun = await asyncio.gather(
        *(office.kept.begin(office.alice, KEY, new_id()) for _ in range(TIMES)),
        return_exceptions=True,
    )

    assert begun.count(None) == 1
    assert sum(isinstance(each, InProgress) for each in begun) == TIMES - 1
