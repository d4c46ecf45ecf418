"""What every store does for lists that are read page by page."""

import pytest
from msgspec.structs import replace

from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.errors import CursorInvalid
from polyagent.domain.page import Order, PageAsk
from tests.contract.tenant import Tenant, read_all

WRONG_CURSORS = ["", "x", "not base64!", "AAAA", "\ud800", "é", "A" * 5000]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_tell_every_row_once(tenant: Tenant, order: Order, limit: int) -> None:
    ann = await tenant.joins("ann")
    made = [await tenant.makes(ann, NewAgent(name=f"agent {n}")) for n in range(7)]

    async with tenant.store.begin(ann) as tx:
        told = await read_all(tx.agents.list, limit=limit, order=order)

    assert told == (made if order == "asc" else made[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_rows_that_come_meanwhile_move_no_other(tenant: Tenant, order: Order) -> None:
    ann = await tenant.joins("ann")
    made = [await tenant.makes(ann, NewAgent(name=f"agent {n}")) for n in range(6)]

    told: list[Agent] = []
    ask: PageAsk | None = PageAsk(limit=2, order=order)
    while ask is not None and len(told) < len(made):
        async with tenant.store.begin(ann) as tx:
            page = await tx.agents.list(ask)
        told += page.items
        await tenant.makes(ann, NewAgent(name=f"late {len(told)}"))
        ask = replace(ask, cursor=page.next_cursor) if page.next_cursor else None

    assert told == (made if order == "asc" else made[::-1])


async def test_a_row_that_goes_meanwhile_breaks_no_page(tenant: Tenant) -> None:
    ann = await tenant.joins("ann")
    made = [await tenant.makes(ann, NewAgent(name=f"agent {n}")) for n in range(4)]
    async with tenant.store.begin(ann) as tx:
        first = await tx.agents.list(PageAsk(limit=2, order="asc"))
        await tx.agents.delete(made[1].id, version=None)

    async with tenant.store.begin(ann) as tx:
        rest = await tx.agents.list(PageAsk(order="asc", cursor=first.next_cursor))

    assert rest.items == made[2:]


@pytest.mark.parametrize("cursor", WRONG_CURSORS, ids=range(len(WRONG_CURSORS)))
async def test_a_cursor_that_nobody_gave_is_refused(tenant: Tenant, cursor: str) -> None:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    session = await tenant.talks(ann, agent)
    wrong = PageAsk(cursor=cursor)

    async with tenant.store.begin(tenant.system) as tx:
        for attempt in (
            tx.accounts.list(wrong),
            tx.agents.list(wrong),
            tx.agents.versions(agent.id, wrong),
            tx.sessions.list(wrong, end_user=None, agent_id=None),
            tx.sessions.messages(session.id, wrong),
        ):
            with pytest.raises(CursorInvalid):
                await attempt
