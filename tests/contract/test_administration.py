"""What every store does when users are changed and taken away, and for API keys."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from polyagent.domain.account import Actor, Claims, Role
from polyagent.domain.agent import NewAgent
from polyagent.domain.api_key import ApiKey, KeyOnFile, Secret, prefix_of
from polyagent.domain.errors import Conflict, LastAdministrator, NameTaken, NotFound
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.ports.standing import Standing
from polyagent.ports.store import UserChanges
from tests.contract.tenant import Tenant

FAR = datetime(9999, 12, 31, tzinfo=UTC)
ALL = PageAsk(limit=100)


async def _changes(tenant: Tenant, user: Actor, changes: UserChanges) -> None:
    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.change(user.user_id, **changes)


async def test_a_user_is_changed_where_something_is_given(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")

    async with tenant.store.begin(tenant.system) as tx:
        told = await tx.accounts.change(ann.user_id, role="viewer", settings={"a": [1]})

    async with tenant.store.begin(tenant.system) as tx:
        user = (await tx.accounts.by_id(ann.user_id)).user
    assert user == told
    assert (user.role, user.status, user.settings) == ("viewer", "active", {"a": [1]})
    assert user.email == "ann@example.org"
    assert user.updated_at >= user.created_at


async def test_an_email_in_use_is_taken_by_a_change_too(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    await tenant.joins("ben")

    await _changes(tenant, ann, {"email": "Ann@EXAMPLE.org"})
    with pytest.raises(NameTaken):
        await _changes(tenant, ann, {"email": "BEN@example.org"})


async def test_nobody_of_another_workspace_is_changed_or_deleted(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")

    with pytest.raises(NotFound):
        async with tenant.store.begin(Actor.system(new_id())) as tx:
            await tx.accounts.change(ann.user_id, role="viewer")
    with pytest.raises(NotFound):
        async with tenant.store.begin(Actor.system(new_id())) as tx:
            await tx.accounts.delete(ann.user_id)


@pytest.mark.parametrize(
    "changes", [{"role": "member"}, {"role": "viewer"}, {"status": "suspended"}]
)
async def test_the_last_administrator_stays_one(tenant: Tenant, changes: UserChanges) -> None:
    root = await tenant.joins("root", role="admin")
    other = await tenant.joins("other", role="admin")
    await _changes(tenant, other, {"status": "suspended"})

    with pytest.raises(LastAdministrator):
        await _changes(tenant, root, changes)

    async with tenant.store.begin(tenant.system) as tx:
        user = (await tx.accounts.by_id(root.user_id)).user
    assert (user.role, user.status) == ("admin", "active")
    await _changes(tenant, root, {"status": "active", "role": "admin"})


async def test_the_last_administrator_is_not_deleted(tenant: Tenant) -> None:
    root = await tenant.joins("root", role="admin")

    with pytest.raises(LastAdministrator):
        async with tenant.store.begin(tenant.system) as tx:
            await tx.accounts.delete(root.user_id)

    async with tenant.store.begin(tenant.system) as tx:
        assert (await tx.accounts.by_id(root.user_id)).user.role == "admin"


async def test_of_administrators_who_demote_each_other_one_is_left(tenant: Tenant) -> None:
    people = [await tenant.joins(f"root{n}", role="admin") for n in range(4)]

    told = await asyncio.gather(
        *(_changes(tenant, person, {"role": "member"}) for person in people),
        return_exceptions=True,
    )

    assert [type(each) for each in told if each is not None] == [LastAdministrator]


async def test_a_deleted_user_takes_its_things_along(tenant: Tenant, standing: Standing) -> None:
    await tenant.joins("root", role="admin")
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    agent = await tenant.makes(ann, NewAgent(name="helper", visibility="shared"))
    session = await tenant.talks(ann, agent)
    kept = await tenant.talks(ben, agent)

    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.delete(ann.user_id)

    async with tenant.store.begin(tenant.system) as tx:
        for gone in (
            tx.accounts.by_id(ann.user_id),
            tx.accounts.delete(ann.user_id),
            tx.agents.get(agent.id),
            tx.sessions.get(session.id),
        ):
            with pytest.raises(NotFound):
                await gone
        assert (await tx.sessions.get(kept.id)).id == kept.id
    claims = Claims(user_id=ann.user_id, session_version=1, expires_at=FAR)
    assert await standing.of([claims]) == {}
    await tenant.joins("ann")


async def test_an_identity_leads_to_one_user_of_its_workspace(tenant: Tenant) -> None:
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")

    async with tenant.store.begin(tenant.system) as tx:
        await tx.identities.add("https://id.example", "ann-1", ann.user_id)

    with pytest.raises(Conflict):
        async with tenant.store.begin(tenant.system) as tx:
            await tx.identities.add("https://id.example", "ann-1", ben.user_id)
    async with tenant.store.begin(tenant.system) as tx:
        assert await tx.identities.find("https://id.example", "ann-1") == ann.user_id
        assert await tx.identities.find("https://other.example", "ann-1") is None
    async with tenant.store.begin(Actor.system(new_id())) as tx:
        assert await tx.identities.find("https://id.example", "ann-1") is None
    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.delete(ann.user_id)
        assert await tx.identities.find("https://id.example", "ann-1") is None


async def _makes_key(
    tenant: Tenant, owner: Actor, *, expires_at: datetime | None = None
) -> tuple[ApiKey, Secret]:
    secret = Secret.new(new_id())
    key = ApiKey(
        id=secret.key_id,
        user_id=owner.user_id,
        name="ci",
        scopes=["agents:read", "chat"],
        prefix=prefix_of(secret.key_id),
        created_at=tenant.now(),
        expires_at=expires_at,
    )
    async with tenant.store.begin(owner) as tx:
        await tx.api_keys.add(key, secret.hash)
    return key, secret


def _claims(key: ApiKey) -> Claims:
    return Claims(user_id=key.user_id, key_id=key.id, expires_at=FAR)


async def test_a_key_is_on_file_and_stands_for_its_maker_within_its_scopes(
    tenant: Tenant, standing: Standing
) -> None:
    ann = await tenant.joins("ann")
    key, secret = await _makes_key(tenant, ann)

    on_file = await standing.key(key.id)

    assert on_file == KeyOnFile(user_id=ann.user_id, secret_hash=secret.hash, expires_at=None)
    assert await standing.key(new_id()) is None
    (actor,) = (await standing.of([_claims(key)])).values()
    assert (actor.user_id, actor.role) == (ann.user_id, "member")
    assert actor.scopes == frozenset({"chat", "agents:read"})


async def test_use_of_a_key_is_noted(tenant: Tenant, standing: Standing) -> None:
    ann = await tenant.joins("ann")
    used, unused = (await _makes_key(tenant, ann))[0], (await _makes_key(tenant, ann))[0]

    await standing.of([_claims(used)])

    async with tenant.store.begin(ann) as tx:
        keys = {key.id: key for key in (await tx.api_keys.list(ALL)).items}
    assert keys[used.id].last_used_at is not None
    assert keys[unused.id] == unused


async def test_an_expired_or_deleted_key_stands_for_nobody(
    tenant: Tenant, standing: Standing
) -> None:
    ann = await tenant.joins("ann")
    expired, _ = await _makes_key(tenant, ann, expires_at=tenant.now() - timedelta(hours=1))
    deleted, _ = await _makes_key(tenant, ann)
    good, _ = await _makes_key(tenant, ann, expires_at=tenant.now() + timedelta(hours=1))
    async with tenant.store.begin(ann) as tx:
        assert await tx.api_keys.delete(deleted.id) == ann.user_id

    found = await standing.of([_claims(key) for key in (expired, deleted, good)])

    assert [*found] == [_claims(good)]


@pytest.mark.parametrize(("role", "sees"), [("member", False), ("admin", True)])
async def test_keys_are_seen_by_their_owner_and_by_administrators(
    tenant: Tenant, role: Role, sees: bool
) -> None:
    ann, other = await tenant.joins("ann"), await tenant.joins("other", role=role)
    key, _ = await _makes_key(tenant, ann)

    async with tenant.store.begin(other) as tx:
        assert bool((await tx.api_keys.list(ALL)).items) is sees
        if sees:
            assert await tx.api_keys.delete(key.id) == ann.user_id
        else:
            with pytest.raises(NotFound):
                await tx.api_keys.delete(key.id)
    async with tenant.store.begin(Actor.system(new_id())) as tx:
        with pytest.raises(NotFound):
            await tx.api_keys.delete(key.id)
