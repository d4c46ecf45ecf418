"""What every store does for accounts."""

import pytest

from polyagent.domain.account import Actor
from polyagent.domain.errors import NameTaken, NotFound
from polyagent.domain.ids import new_id
from polyagent.domain.page import Order, PageAsk
from tests.contract.tenant import Tenant, read_all


async def test_an_account_is_found_by_id_name_and_email_in_any_case(tenant: Tenant) -> None:
    account = tenant.account("Ann", email="Ann@Example.org")

    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.add(account)

    async with tenant.store.begin(tenant.system) as tx:
        assert await tx.accounts.by_id(account.user.id) == account
        assert await tx.accounts.by_login(username="aNN", email=None) == account
        assert await tx.accounts.by_login(username=None, email="ann@EXAMPLE.org") == account
        assert await tx.accounts.by_login(username="ben", email=None) is None
        assert await tx.accounts.by_login(username=None, email="ben@example.org") is None


@pytest.mark.parametrize(
    ("username", "email"), [("ANN", "other@example.org"), ("other", "ANN@example.org")]
)
async def test_a_name_or_an_email_in_use_is_taken_in_any_case(
    tenant: Tenant, username: str, email: str
) -> None:
    await tenant.joins("ann")

    with pytest.raises(NameTaken):
        async with tenant.store.begin(tenant.system) as tx:
            await tx.accounts.add(tenant.account(username, email=email))


async def test_an_unknown_user_is_not_found(tenant: Tenant) -> None:
    async with tenant.store.begin(tenant.system) as tx:
        with pytest.raises(NotFound):
            await tx.accounts.by_id(new_id())


async def test_users_of_another_workspace_are_not_found(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")

    async with tenant.store.begin(Actor.system(new_id())) as tx:
        assert (await tx.accounts.list(PageAsk())).items == []
        assert await tx.accounts.by_login(username="ann", email=None) is None
        with pytest.raises(NotFound):
            await tx.accounts.by_id(ann.user_id)


async def test_a_workspace_is_empty_until_somebody_joins(tenant: Tenant) -> None:
    async with tenant.store.begin(tenant.system) as tx:
        before = (await tx.accounts.list(PageAsk())).items

    await tenant.joins("ann")

    async with tenant.store.begin(tenant.system) as tx:
        assert before == []
        assert len((await tx.accounts.list(PageAsk())).items) == 1


async def test_a_new_password_raises_the_session_version(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")

    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.set_password(ann.user_id, "another hash")

    async with tenant.store.begin(tenant.system) as tx:
        account = await tx.accounts.by_id(ann.user_id)
    assert (account.password_hash, account.session_version) == ("another hash", 2)


async def test_the_password_of_nobody_cannot_be_set(tenant: Tenant) -> None:
    with pytest.raises(NotFound):
        async with tenant.store.begin(tenant.system) as tx:
            await tx.accounts.set_password(new_id(), "a hash")


async def test_a_login_is_remembered(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    at = tenant.account("clock").user.created_at

    async with tenant.store.begin(tenant.system) as tx:
        await tx.accounts.logged_in(ann.user_id, at)

    async with tenant.store.begin(tenant.system) as tx:
        assert (await tx.accounts.by_id(ann.user_id)).user.last_login_at == at


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_users_are_listed_in_the_order_in_which_they_joined(
    tenant: Tenant, order: Order
) -> None:
    joined = [(await tenant.joins(f"user{n}")).user_id for n in range(5)]

    async with tenant.store.begin(tenant.system) as tx:
        users = await read_all(tx.accounts.list, limit=2, order=order)

    assert [user.id for user in users] == (joined if order == "asc" else joined[::-1])
