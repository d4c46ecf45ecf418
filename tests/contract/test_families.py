"""What every store does for refresh tokens, and whom their access tokens stand for."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from polyagent.domain.account import Actor, Claims
from polyagent.domain.ids import new_id
from polyagent.domain.token_family import RefreshToken, TokenFamily
from polyagent.ports.standing import Standing
from tests.contract.tenant import Tenant

KEY = b"k" * 32
WEEK_S = 7 * 86_400


def _family(tenant: Tenant, user: Actor, token: RefreshToken, *, days: float = 30) -> TokenFamily:
    return TokenFamily(
        id=new_id(),
        user_id=user.user_id,
        family_hash=token.family_hash,
        token_hash=token.own_hash,
        expires_at=tenant.now() + timedelta(days=days),
    )


def _claims(family: TokenFamily) -> Claims:
    return Claims(
        user_id=family.user_id, family_id=family.id, expires_at=datetime(2030, 1, 1, tzinfo=UTC)
    )


async def _logs_in(
    tenant: Tenant, user: Actor, *, days: float = 30
) -> tuple[RefreshToken, TokenFamily]:
    token = RefreshToken.new()
    family = _family(tenant, user, token, days=days)
    async with tenant.store.begin(tenant.system) as tx:
        await tx.families.add(family)
    return token, family


async def _rotates(
    tenant: Tenant, token: RefreshToken, *, key: bytes = KEY, idle_s: float = WEEK_S
) -> TokenFamily | None:
    async with tenant.store.begin(tenant.system) as tx:
        return await tx.families.rotate(token, key, idle_s=idle_s)


async def test_a_token_is_replaced_by_its_successor_once(tenant: Tenant) -> None:
    token, family = await _logs_in(tenant, await tenant.joins("ann"))

    rotated = await _rotates(tenant, token)

    assert rotated is not None
    assert (rotated.id, rotated.user_id) == (family.id, family.user_id)
    assert rotated.token_hash == token.successor(KEY).own_hash
    assert rotated.successor_key == KEY
    assert await _rotates(tenant, token) is None
    assert await _rotates(tenant, token.successor(KEY)) is not None


async def test_of_many_who_rotate_at_once_one_does(tenant: Tenant) -> None:
    token, _ = await _logs_in(tenant, await tenant.joins("ann"))

    rotated = await asyncio.gather(
        *(_rotates(tenant, token, key=bytes([n]) * 32) for n in range(20))
    )

    assert sum(each is not None for each in rotated) == 1


async def test_an_unknown_token_is_nobodys_and_no_reuse(tenant: Tenant) -> None:
    await _logs_in(tenant, await tenant.joins("ann"))

    assert await _rotates(tenant, RefreshToken.new()) is None
    async with tenant.store.begin(tenant.system) as tx:
        assert await tx.families.revoke_reused(RefreshToken.new()) is None


@pytest.mark.parametrize(("days", "idle_s"), [(-1, WEEK_S), (30, 0)])
async def test_a_family_ends_at_its_time_and_when_it_is_not_used(
    tenant: Tenant, days: float, idle_s: float
) -> None:
    token, _ = await _logs_in(tenant, await tenant.joins("ann"), days=days)

    assert await _rotates(tenant, token, idle_s=idle_s) is None


async def test_a_dead_token_ends_its_family_and_the_newest_does_not(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    token, _ = await _logs_in(tenant, ann)
    await _rotates(tenant, token)
    newest = token.successor(KEY)
    async with tenant.store.begin(tenant.system) as tx:
        by_newest = await tx.families.revoke_reused(newest)

    async with tenant.store.begin(tenant.system) as tx:
        by_dead = await tx.families.revoke_reused(token)

    assert (by_newest, by_dead) == (None, ann.user_id)
    assert await _rotates(tenant, newest) is None


async def test_a_reuse_is_told_again_and_again(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    token, _ = await _logs_in(tenant, ann)
    await _rotates(tenant, token)

    for _ in range(2):
        async with tenant.store.begin(tenant.system) as tx:
            assert await tx.families.revoke_reused(token) == ann.user_id


async def test_within_its_grace_a_replaced_token_leads_to_the_newest(tenant: Tenant) -> None:
    token, family = await _logs_in(tenant, await tenant.joins("ann"))
    await _rotates(tenant, token)

    async with tenant.store.begin(tenant.system) as tx:
        in_time = await tx.families.rotated(token, within_s=WEEK_S)
        late = await tx.families.rotated(token, within_s=0)

    assert in_time is not None
    assert (in_time.id, in_time.successor_key) == (family.id, KEY)
    assert late is None


async def test_others_cannot_revoke_a_family(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    token, family = await _logs_in(tenant, ann)

    for stranger in (ben, Actor.system(new_id())):
        async with tenant.store.begin(stranger) as tx:
            await tx.families.revoke(family.id)
            await tx.families.revoke_all(ben.user_id)

    assert await _rotates(tenant, token) is not None


async def test_all_families_of_a_user_end_but_one(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    kept, family = await _logs_in(tenant, ann)
    ended, _ = await _logs_in(tenant, ann)

    async with tenant.store.begin(ann) as tx:
        await tx.families.revoke_all(ann.user_id, but=family.id)

    assert await _rotates(tenant, kept) is not None
    assert await _rotates(tenant, ended) is None


async def test_claims_stand_for_their_user_until_the_login_ends(
    tenant: Tenant, standing: Standing
) -> None:
    ann = await tenant.joins("ann")
    _, family = await _logs_in(tenant, ann)
    _, over = await _logs_in(tenant, ann, days=-1)
    _, revoked = await _logs_in(tenant, ann)
    async with tenant.store.begin(ann) as tx:
        await tx.families.revoke(revoked.id)

    found = await standing.of([_claims(family), _claims(over), _claims(revoked)])

    assert found == {_claims(family): ann}


async def test_claims_of_no_login_name_the_session_version(
    tenant: Tenant, standing: Standing
) -> None:
    ann = await tenant.joins("ann")
    expires_at = datetime(2030, 1, 1, tzinfo=UTC)
    now, before = (
        Claims(user_id=ann.user_id, session_version=n, expires_at=expires_at) for n in (1, 0)
    )
    nobody = Claims(user_id=new_id(), session_version=1, expires_at=expires_at)

    assert await standing.of([before, now, nobody]) == {now: ann}


async def test_a_login_of_somebody_else_stands_for_nobody(
    tenant: Tenant, standing: Standing
) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    _, family = await _logs_in(tenant, ann)
    mixed = Claims(
        user_id=ben.user_id, family_id=family.id, expires_at=datetime(2030, 1, 1, tzinfo=UTC)
    )

    assert await standing.of([mixed]) == {}
