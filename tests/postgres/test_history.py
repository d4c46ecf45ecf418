"""How much of a session is read for its next answer."""

from uuid import UUID

import pytest

from polyagent.adapters.postgres.pool import Pool
from polyagent.adapters.postgres.runs.sql_json import HISTORY_BYTES
from polyagent.domain.account import Actor
from polyagent.domain.agent import NewAgent
from polyagent.domain.chat import Message
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from tests.contract.tenant import Tenant

MANY = 12


# one that PostgreSQL compresses to nearly nothing, and one that it cannot compress
@pytest.mark.parametrize(
    "text",
    [
        "repeat('a', 3000000)",
        "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 93750) n)",
    ],
)
async def test_messages_beyond_the_budget_are_left_out_the_oldest_first(
    tenant: Tenant, pool: Pool, text: str
) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    session = await tenant.talks(actor, await tenant.makes(actor, NewAgent(name="helper")))
    await _say(
        pool, session.id, f"jsonb_build_array(jsonb_build_object('type', 'text', 'text', {text}))"
    )

    history = await _history(tenant, actor, session.id)

    assert len(history) == HISTORY_BYTES // 3_000_000
    assert [m.id for m in history] == (await _ids(pool, session.id))[-len(history) :]


async def test_results_of_tools_count(tenant: Tenant, pool: Pool) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    session = await tenant.talks(actor, await tenant.makes(actor, NewAgent(name="helper")))
    await _say(pool, session.id, "'[]'::jsonb")
    await pool.execute(
        """
        INSERT INTO tool_calls (run_id, step, n, id, name, arguments, effect, state, idempotency_key, result)
        SELECT run_id, step, 0, 'c', 'look', '{}', 'read', 'done', '', to_jsonb(repeat('a', 3000000))
        FROM messages WHERE session_id = $1 AND role = 'assistant'
        """,
        session.id,
    )

    history = await _history(tenant, actor, session.id)

    assert len(history) == HISTORY_BYTES // 3_000_000


async def test_images_of_long_ago_give_way_to_what_was_said(tenant: Tenant, pool: Pool) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    session = await tenant.talks(actor, await tenant.makes(actor, NewAgent(name="helper")))
    image = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 175000) n)"  # 5.6 MB
    part = f"jsonb_build_array(jsonb_build_object('type', 'image', 'data', {image}))"
    text = """'[{"type": "text", "text": "said"}]'::jsonb"""
    for _ in range(4):
        await _say(pool, session.id, text, role="user", times=1)
        await _say(pool, session.id, part, role="user", times=1)
        await _say(pool, session.id, text, times=1)

    history = await _history(tenant, actor, session.id)

    assert [m.id for m in history] == await _ids(pool, session.id)
    told = [m.content or len(m.parts) for m in history]
    note = "[What the user sent here is too large to be sent again.]"
    assert told[1:] == ["said", note, "said"] * 2 + ["said", 1, "said"] * 2


async def test_a_page_of_messages_ends_where_it_would_be_too_much(
    tenant: Tenant, pool: Pool
) -> None:
    actor = Actor(user_id=new_id(), workspace_id=tenant.id, role="member")
    session = await tenant.talks(actor, await tenant.makes(actor, NewAgent(name="helper")))
    image = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 650000) n)"  # 20 MB
    part = f"jsonb_build_array(jsonb_build_object('type', 'image', 'data', {image}))"
    await _say(pool, session.id, part, role="user", times=3)

    pages = [await _page(tenant, actor, session.id, PageAsk(order="asc"))]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(await _page(tenant, actor, session.id, PageAsk(order="asc", cursor=cursor)))

    ids = [[message.id for message in page.items] for page in pages]
    assert [len(page) for page in ids] == [2, 1, 1]
    assert [id_ for page in ids for id_ in page] == await _ids(pool, session.id)


async def _page(tenant: Tenant, actor: Actor, session_id: UUID, page: PageAsk) -> Page[Message]:
    async with tenant.store.begin(actor) as tx:
        return await tx.sessions.messages(session_id, page)


async def _say(
    pool: Pool, session_id: UUID, parts: str, *, role: str = "assistant", times: int = MANY
) -> None:
    await pool.execute(
        f"""
        INSERT INTO messages (id, workspace_id, user_id, session_id, run_id, step, role, parts)
        SELECT gen_random_uuid(), s.workspace_id, s.user_id, s.id, gen_random_uuid(), 1, $2, {parts}
        FROM sessions s, generate_series(1, {times}) WHERE s.id = $1
        """,  # noqa: S608  # texts of this file
        session_id,
        role,
    )


async def _history(tenant: Tenant, actor: Actor, session_id: UUID) -> tuple[Message, ...]:
    runs = tenant.runs
    ground = await runs.ground(
        actor, agent_id=None, agent_type=None, session_id=session_id, end_user=None
    )
    return ground.history


async def _ids(pool: Pool, session_id: UUID) -> list[UUID]:
    rows = await pool.fetch(
        "SELECT id FROM messages WHERE session_id = $1 ORDER BY seq", session_id
    )
    return [row["id"] for row in rows]
