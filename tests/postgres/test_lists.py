"""Long lists: pages of them are read along an index, whatever they are filtered by."""

from uuid import UUID

import pytest

from polyagent.adapters.postgres.pool import Pool
from polyagent.adapters.postgres.runs import sql_runs as sql
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from tests.contract.tenant import Tenant, read_all

AGENTS = 10_000
RUNS = 20_000
LIMIT = 21

INSERT_WORKSPACE = "INSERT INTO workspaces (id, name) VALUES ($1, $2)"
INSERT_AGENTS = """
INSERT INTO agents (id, workspace_id, user_id, name, type, visibility, status, version, body,
    created_at, updated_at)
SELECT gen_random_uuid(), $1, $2, 'agent ' || n, 'custom', 'private', 'active', 1,
    jsonb_build_object('name', 'agent ' || n), now(), now()
FROM generate_series(1, $3::integer) n
"""
INSERT_RUNS = """
INSERT INTO runs (id, workspace_id, user_id, end_user, agent_id, agent_version, status, spec,
    message_id, usage, metadata, created_at, finished_at)
SELECT gen_random_uuid(), $1, $2, 'customer ' || n % 1000, $1, 1,
    CASE WHEN n % 4000 = 0 THEN 'failed' ELSE 'completed' END, '{}', $1, '{}', '{}', now(), now()
FROM generate_series(1, $3::integer) n
"""


async def test_ten_thousand_agents_are_read_page_by_page(tenant: Tenant, pool: Pool) -> None:
    await pool.execute(INSERT_WORKSPACE, tenant.id, str(tenant.id))
    actor = await tenant.joins("ann")
    await pool.execute(INSERT_AGENTS, tenant.id, actor.user_id, AGENTS)

    async with tenant.store.begin(actor) as tx:
        agents = await read_all(tx.agents.list, limit=100)
        first = await tx.agents.list(PageAsk(limit=100, order="asc"))

    assert len({agent.id for agent in agents}) == len(agents) == AGENTS
    assert [agent.id for agent in first.items] == [agent.id for agent in agents[:-101:-1]]
    assert [agent.id for agent in agents] == sorted((a.id for a in agents), reverse=True)


@pytest.mark.parametrize("is_admin", [False, True])
@pytest.mark.parametrize(
    ("status", "end_user", "index"),
    [
        ("failed", None, "runs_unhappy"),
        ("cancelled", None, "runs_unhappy"),
        (None, "customer 7", "runs_end_user"),
        (None, "nobody", "runs_end_user"),
    ],
)
async def test_filtered_runs_are_found_by_an_index(
    pool: Pool, is_admin: bool, status: str | None, end_user: str | None, index: str
) -> None:
    workspace, user = new_id(), new_id()
    await pool.execute(INSERT_RUNS, workspace, user, RUNS)
    await pool.execute("ANALYZE runs")

    plan = await _plan(pool, workspace, user, is_admin, status, end_user)

    assert f"Index Scan using {index} on runs r" in plan
    await pool.execute("DELETE FROM runs WHERE workspace_id = $1", workspace)


async def _plan(
    pool: Pool,
    workspace: UUID,
    user: UUID,
    is_admin: bool,
    status: str | None,
    end_user: str | None,
) -> str:
    asked = (workspace, user, is_admin, None, status, end_user, None, LIMIT)
    rows = await pool.fetch(f"EXPLAIN {sql.LIST['desc']}", *asked)
    return "\n".join(row["QUERY PLAN"] for row in rows)
