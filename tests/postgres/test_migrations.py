"""The schema's way up and down, and that models and migrations agree."""

import asyncio
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from polyagent.adapters.postgres import migrate
from polyagent.adapters.postgres.access.tables import AuditRow
from polyagent.adapters.postgres.documents.posting_tables import PostingRow
from polyagent.adapters.postgres.documents.space_tables import SpaceRow
from polyagent.adapters.postgres.pool import connect_args
from polyagent.adapters.postgres.runs.usage_table import UsageRow
from polyagent.adapters.postgres.tasks.schedule_table import ScheduleRow
from polyagent.adapters.postgres.tasks.tables import TaskRow
from polyagent.domain.account import DEFAULT_WORKSPACE
from polyagent.domain.errors import MigrationImpossible
from polyagent.settings import Database
from tests.engines import Cluster

TABLES = (
    AuditRow,
    UsageRow,
    TaskRow,
    ScheduleRow,
    PostingRow,
    SpaceRow,
)  # their files know all of them together


async def test_a_database_goes_up_and_down_and_up_again(empty_url: str) -> None:
    database = Database(url=empty_url)

    await migrate.upgrade(database)
    await migrate.downgrade(database, "base")
    emptied = await migrate.current(database)
    await migrate.upgrade(database)

    assert emptied is None
    assert await migrate.current(database) == migrate.newest()


async def test_processes_that_migrate_at_once_wait_for_each_other(empty_url: str) -> None:
    database = Database(url=empty_url)

    await asyncio.gather(*(migrate.upgrade(database) for _ in range(4)))

    assert await migrate.current(database) == migrate.newest()


async def test_what_a_model_was_told_outlives_the_way_up_and_down(empty_url: str) -> None:
    database = Database(url=empty_url)
    told = """SELECT arguments::text, result::text, (SELECT spec::text FROM runs),
        (SELECT jsonb_agg(tool_calls) FROM messages)::text FROM tool_calls"""
    await migrate.upgrade(database, "0005")
    await _fetch(
        empty_url,
        """WITH r AS (
            INSERT INTO runs (id, workspace_id, user_id, agent_id, agent_version, status, spec, message_id)
            SELECT id, id, id, id, 1, 'queued', '{"parts": []}', id FROM workspaces RETURNING id
        ), m AS (
            INSERT INTO messages (id, workspace_id, user_id, run_id, step, role, parts, tool_calls)
            SELECT gen_random_uuid(), id, id, id, n, 'user', '[]', calls
            FROM r, (VALUES (1, '[{"id": "c"}]'::jsonb), (2, NULL)) AS said(n, calls)
        )
        INSERT INTO tool_calls (run_id, step, n, id, name, arguments, effect, state, idempotency_key, result)
        SELECT id, 1, 0, 'c', 'look', '{"a": 1}', 'read', 'done', '', 'null' FROM r""",
    )
    before = await _fetch(empty_url, told)

    await migrate.upgrade(database)
    after = await _fetch(empty_url, told)
    await migrate.downgrade(database, "0005")

    assert len(before) == 1
    assert [tuple(row) for row in before] == [tuple(row) for row in after]
    assert await _fetch(empty_url, told) == before


async def test_what_was_used_before_there_was_an_account_of_it_is_entered(empty_url: str) -> None:
    database = Database(url=empty_url)
    await migrate.upgrade(database, "0007")
    await _fetch(
        empty_url,
        """WITH r AS (
            INSERT INTO runs (id, workspace_id, user_id, agent_id, agent_version, status, spec, message_id)
            SELECT id, id, id, id, 1, 'completed', '{"parts": []}', id FROM workspaces RETURNING id
        )
        INSERT INTO run_events (run_id, seq, type, data)
        SELECT id, 10000002, 'usage', '{"step": 1, "model": "m", "usage": {"input_tokens": 7,
            "output_tokens": 2, "total_tokens": 9, "estimated": true, "cost": 0.5}}' FROM r""",
    )

    await migrate.upgrade(database)

    found = await _fetch(
        empty_url,
        """SELECT seq, model, input_tokens, cached_input_tokens, output_tokens, total_tokens,
            estimated, cost, end_user FROM usage""",
    )
    assert [tuple(row) for row in found] == [(10000002, "m", 7, 0, 2, 9, True, 0.5, None)]


async def test_a_migrated_database_has_the_one_workspace(postgres_url: str) -> None:
    found = await _fetch(postgres_url, "SELECT id, name FROM workspaces")

    assert [tuple(row) for row in found] == [(DEFAULT_WORKSPACE, "default")]


async def test_models_and_migrations_agree(postgres_url: str) -> None:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(**connect_args(Database(url=postgres_url)))

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()

    assert differences == []


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(empty_url: str) -> None:
    database = Database(url=empty_url)
    await migrate.upgrade(database)
    await _fetch(empty_url, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(MigrationImpossible, match=r"9999.*newer PolyAgent"):
        await migrate.upgrade(database)

    assert await migrate.current(database) == "9999"


async def test_a_revision_that_fails_leaves_nothing_of_itself(empty_url: str) -> None:
    database = Database(url=empty_url)
    await _fetch(empty_url, "CREATE SCHEMA polyagent CREATE TABLE runs (id int)")

    with pytest.raises(Exception, match='"runs" already exists'):
        await migrate.upgrade(database)

    tables = await _fetch(
        empty_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'polyagent' ORDER BY 1"
    )
    assert {row["tablename"] for row in tables} <= {"runs", "alembic_version"}
    assert await migrate.current(database) is None


async def test_a_role_that_may_not_make_schemas_migrates_the_one_it_was_given(
    cluster: Cluster, empty_url: str
) -> None:
    name = empty_url.partition("@/")[2].partition("?")[0]
    await _fetch(empty_url, "CREATE SCHEMA polyagent")
    cluster.sql(f"ALTER DATABASE {name} OWNER TO postgres")

    await migrate.upgrade(Database(url=empty_url))

    assert await migrate.current(Database(url=empty_url)) == migrate.newest()


def test_a_server_that_is_too_old_is_refused() -> None:
    with pytest.raises(MigrationImpossible, match="version 14"):
        migrate.require_server(14)

    migrate.require_server(15)


def _differences(connection: Connection) -> Any:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return compare_metadata(context, TABLES[0].metadata)


async def _fetch(url: str, statement: str) -> list[asyncpg.Record]:
    connection: asyncpg.Connection = await asyncpg.connect(**connect_args(Database(url=url)))
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()
