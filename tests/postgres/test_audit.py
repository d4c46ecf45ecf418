"""What PostgreSQL itself refuses to do to the audit log."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TypeAlias

import asyncpg
import pytest

from polyagent.adapters.postgres import migrate
from polyagent.adapters.postgres.upkeep import SWEEP_AUDIT
from polyagent.domain.ids import new_id
from polyagent.settings import Database
from tests.contract.offices import connected
from tests.engines import Cluster

ENTER = """
INSERT INTO audit (id, workspace_id, action, outcome, at)
VALUES ($1, $1, 'login', 'done', now() - make_interval(days => $2))
"""
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def owner(empty_url: str) -> AsyncIterator[Connection]:
    """The role that owns the tables, with entries of 29 and of 31 days."""
    await migrate.upgrade(Database(url=empty_url))
    async with connected(empty_url) as connection:
        for days in (29, 31):
            await connection.execute(ENTER, new_id(), days)
        yield connection


@pytest.mark.parametrize(
    "change", ["UPDATE audit SET outcome = 'x'", "DELETE FROM audit", "TRUNCATE audit"]
)
async def test_not_even_its_owner_changes_it_or_deletes_the_last_month(
    owner: Connection, change: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(change)

    assert await owner.fetchval("SELECT count(*) FROM audit") == 2


async def test_a_role_that_may_only_add_and_read_sweeps_what_is_over_a_month_old(
    owner: Connection, cluster: Cluster, empty_url: str
) -> None:
    role = f"app_{new_id().hex}"
    cluster.sql(f"CREATE ROLE {role} LOGIN")
    await owner.execute(f"GRANT USAGE ON SCHEMA polyagent TO {role}")
    await owner.execute(f"GRANT SELECT, INSERT ON audit TO {role}")
    _, _, place = empty_url.partition("@")

    async with connected(f"postgresql://{role}@{place}") as application:
        await application.execute(ENTER, new_id(), 0)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application.execute("DELETE FROM audit")
        swept = await application.fetchval(SWEEP_AUDIT, timedelta(0), 100)

    assert swept == 1
    assert await owner.fetchval("SELECT count(*) FROM audit") == 2
