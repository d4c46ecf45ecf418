"""What every store does for the audit log."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from polyagent.adapters.memory.state import State
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import Actor, Claims
from polyagent.domain.api_key import ApiKey, Secret, prefix_of
from polyagent.domain.audit import CLIENT, AuditEntry
from polyagent.domain.errors import NameTaken
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.ports.standing import Standing
from polyagent.ports.upkeep import Upkeep
from polyagent.settings import Database
from tests.contract.tenant import Tenant, read_all

ALL = PageAsk(limit=100)

Rest = Callable[[Claims, timedelta], Awaitable[None]]


@pytest.fixture
def rest(container: AsyncContainer, database: Database) -> Rest:
    """Let a key be unused for so long."""

    async def in_memory(claims: Claims, age: timedelta) -> None:
        assert claims.key_id is not None
        keys = (await container.get(State)).api_keys
        row = keys[claims.key_id]
        assert row.key.last_used_at is not None
        assert row.noted_at is not None
        key = replace(row.key, last_used_at=row.key.last_used_at - age)
        keys[claims.key_id] = replace(row, key=key, noted_at=row.noted_at - age)

    async def in_postgres(claims: Claims, age: timedelta) -> None:
        sql = "UPDATE api_keys SET last_used_at = last_used_at - $2::interval, noted_at = noted_at - $2::interval WHERE id = $1"
        await (await container.get(Pool)).execute(sql, claims.key_id, age)

    return in_postgres if database.url else in_memory


def _entry(tenant: Tenant, actor: Actor) -> AuditEntry:
    return AuditEntry(
        id=new_id(),
        at=tenant.now(),
        actor_id=actor.user_id,
        action="user.changed",
        object=str(new_id()),
        client="192.0.2.1",
        details={"role": {"from": "member", "to": "admin"}},
    )


async def test_entries_are_read_newest_first_in_their_workspace(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    entries = [_entry(tenant, ann) for _ in range(5)]

    async with tenant.store.begin(tenant.system) as tx:
        for entry in entries:
            await tx.audit.add(entry)

    async with tenant.store.begin(tenant.system) as tx:
        assert await read_all(tx.audit.list, limit=2) == entries[::-1]
    async with tenant.store.begin(Actor.system(new_id())) as tx:
        assert (await tx.audit.list(ALL)).items == []


async def test_an_entry_is_undone_with_what_it_tells_of(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")

    async def fails() -> None:
        async with tenant.store.begin(tenant.system) as tx:
            await tx.audit.add(_entry(tenant, ann))
            await tx.accounts.add(tenant.account("ann"))

    with pytest.raises(NameTaken):
        await fails()

    async with tenant.store.begin(tenant.system) as tx:
        assert (await tx.audit.list(ALL)).items == []


async def test_what_is_old_is_taken_away_and_nothing_else(tenant: Tenant, upkeep: Upkeep) -> None:
    ann = await tenant.joins("ann")
    ages = [timedelta(days=days) for days in (364, 366, 2000)]
    kept, *old = [replace(_entry(tenant, ann), at=tenant.now() - age) for age in ages]
    async with tenant.store.begin(tenant.system) as tx:
        for entry in (kept, *old):
            await tx.audit.add(entry)

    while await upkeep.sweep():
        pass

    async with tenant.store.begin(tenant.system) as tx:
        assert (await tx.audit.list(ALL)).items == [kept]


async def _key(tenant: Tenant) -> Claims:
    ann = await tenant.joins("ann")
    secret = Secret.new(new_id())
    key = ApiKey(
        id=secret.key_id,
        user_id=ann.user_id,
        name="ci",
        scopes=["chat"],
        prefix=prefix_of(secret.key_id),
        created_at=tenant.now(),
    )
    async with tenant.store.begin(ann) as tx:
        await tx.api_keys.add(key, secret.hash)
    return Claims(user_id=ann.user_id, key_id=key.id, expires_at=tenant.now())


async def _uses(tenant: Tenant) -> list[AuditEntry]:
    async with tenant.store.begin(tenant.system) as tx:
        return (await tx.audit.list(replace(ALL, order="asc"))).items


async def test_the_use_of_a_key_is_noted_but_not_each_time(
    tenant: Tenant, standing: Standing
) -> None:
    claims = await _key(tenant)

    for _ in range(3):
        await standing.of([claims])

    (entry,) = await _uses(tenant)
    assert (entry.actor_id, entry.action, entry.object) == (
        claims.user_id,
        "api_key.used",
        str(claims.key_id),
    )


async def test_a_key_that_is_used_from_elsewhere_is_noted_again_and_after_an_hour(
    tenant: Tenant, standing: Standing, rest: Rest
) -> None:
    claims = await _key(tenant)
    uses = [
        *(("192.0.2.1", 2), ("192.0.2.1", 2), (None, 2)),
        *(("192.0.2.2", 0), ("192.0.2.3", 2), ("192.0.2.2", 61), ("192.0.2.2", 0)),
    ]

    for client, minutes in uses:
        CLIENT.set(client)
        await standing.of([claims])
        await rest(claims, timedelta(minutes=minutes))

    told = [entry.client for entry in await _uses(tenant)]
    assert told == ["192.0.2.1", "192.0.2.2", "192.0.2.2"]
