"""What every store does for the audit log."""

import asyncpg
import pytest

from polyagent.domain.account import Actor, Claims
from polyagent.domain.api_key import ApiKey, Secret, prefix_of
from polyagent.domain.audit import AuditEntry
from polyagent.domain.errors import NameTaken
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.ports.standing import Standing
from tests.contract.tenant import Tenant, read_all

ALL = PageAsk(limit=100)


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


async def test_the_use_of_a_key_is_noted_but_not_each_time(
    tenant: Tenant, standing: Standing
) -> None:
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

    for _ in range(3):
        await standing.of([Claims(user_id=ann.user_id, key_id=key.id, expires_at=tenant.now())])

    async with tenant.store.begin(tenant.system) as tx:
        (entry,) = (await tx.audit.list(ALL)).items
    assert (entry.actor_id, entry.action, entry.object) == (
        ann.user_id,
        "api_key.used",
        str(key.id),
    )


@pytest.mark.parametrize(
    "change", ["UPDATE audit SET outcome = 'x'", "DELETE FROM audit", "TRUNCATE audit"]
)
async def test_postgres_changes_and_deletes_nothing(postgres_url: str, change: str) -> None:
    connection = await asyncpg.connect(postgres_url)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await connection.execute(change.replace("audit", "polyagent.audit", 1))

    await connection.close()
