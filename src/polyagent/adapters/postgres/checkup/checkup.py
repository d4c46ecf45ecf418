"""Looking at a PostgreSQL from a connection like ours."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import asyncpg

from polyagent.adapters.postgres.checkup.capacity import capacity
from polyagent.adapters.postgres.checkup.pooler import is_pooled
from polyagent.adapters.postgres.checkup.refusals import AS_SUPERUSER, refused
from polyagent.adapters.postgres.checkup.rights import rights
from polyagent.adapters.postgres.migrate import OLDEST_SERVER
from polyagent.adapters.postgres.pool import connect_args
from polyagent.configuration.wording import masked
from polyagent.domain.finding import Finding, ok, problem, warning
from polyagent.ports.clock import Clock
from polyagent.settings import Database

SKEW_S = 2.0

LOOK = """
SELECT current_setting('server_version') AS version,
    current_setting('server_version_num')::int / 10000 AS major,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'
        AND current_setting('synchronous_commit') <> 'off' AS is_durable,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS is_read_only,
    clock_timestamp() AS now
"""

VECTOR = """
SELECT default_version AS available, installed_version AS installed
FROM pg_available_extensions WHERE name = 'vector'
"""

ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError)


async def checkup(
    settings: Database, clock: Clock, *, processes: int, leeway_s: float, embeds: bool = False
) -> AsyncGenerator[Finding, None]:
    """Find what is wrong with `settings.url`; `processes` is how many of ours one machine runs.

    `leeway_s` is how far clocks may differ before tokens are refused; `embeds`: vectors are to be kept.
    Never raises.
    """
    try:
        connection = await asyncpg.connect(**connect_args(settings))
    except ERRORS as error:
        yield refused(settings.url, error)
        return
    try:
        async for finding in _examined(connection, settings, clock, processes, leeway_s):
            yield finding
        yield _vector(await connection.fetchrow(VECTOR), embeds=embeds)
    except ERRORS as error:
        yield problem("postgres", f"it broke off: {_line(error)}")
    finally:
        connection.terminate()


async def _examined(
    connection: "asyncpg.Connection[asyncpg.Record]",
    settings: Database,
    clock: Clock,
    processes: int,
    leeway_s: float,
) -> AsyncGenerator[Finding, None]:
    await connection.fetchval("SELECT 1")  # the first statement pays for the connection
    began_s, before = clock.monotonic(), clock.now()
    row = await connection.fetchrow(LOOK)
    took_s = clock.monotonic() - began_s
    assert row is not None  # noqa: S101 - a SELECT without FROM
    for finding in _server(dict(row), masked("database.url", settings.url), took_s):
        yield finding
    yield _skew(row["now"], before, took_s, leeway_s)
    async for finding in rights(connection):
        yield finding
    yield await capacity(connection, settings.max_open_conns, processes)
    yield await _liveness(settings)


def _server(told: dict[str, Any], address: str, took_s: float) -> list[Finding]:
    found = [ok("postgres", f"PostgreSQL {told['version']} at {address}, {took_s * 1000:.1f} ms")]
    if told["major"] < OLDEST_SERVER:
        found.append(problem("postgres", f"it is too old: {OLDEST_SERVER} is needed", "upgrade it"))
    if told["is_read_only"]:
        advice = "name the primary in DATABASE_URL"
        found.append(problem("postgres", "it takes no writes (a replica, or read only)", advice))
    if told["encoding"] != "UTF8":
        advice = "make a database with ENCODING 'UTF8' TEMPLATE template0"
        found.append(problem("postgres", f"its encoding is {told['encoding']}", advice))
    if not told["is_durable"]:
        advice = "set fsync, full_page_writes and synchronous_commit to on"
        found.append(warning("postgres", "a crash of its machine loses acknowledged runs", advice))
    return found


def _skew(theirs: datetime, ours: datetime, took_s: float, leeway_s: float) -> Finding:
    """Compare the clocks, give or take the time of the round trip."""
    skew_s = (theirs - ours).total_seconds()
    skew_s = max(0.0, -skew_s, skew_s - took_s)
    text = f"its clock and this machine's differ by {skew_s:.1f} s"
    advice = "keep the clocks of all machines in step (NTP)"
    if skew_s > leeway_s:
        return problem("postgres", f"{text}, more than auth.leeway_s", advice)
    return warning("postgres", text, advice) if skew_s > SKEW_S else ok("postgres", text)


async def _liveness(settings: Database) -> Finding:
    """Look at the connection whose lock shows that a process lives."""
    name = "DATABASE_DIRECT_URL" if settings.direct_url else "DATABASE_URL"
    try:
        pooled = await is_pooled(settings, settings.direct_url or settings.url)
    except ERRORS as error:
        return problem("postgres", f"{name} does not answer: {_line(error)}")
    if pooled:
        return warning(
            "postgres",
            f"{name} goes through a transaction pooler: the lock that shows liveness would be an"
            " accident, so a dead process is noticed after 5 s instead of 1.4 s",
            "set DATABASE_DIRECT_URL to the server itself, past the pooler",
        )
    return ok("postgres", "connections keep their sessions: the lock that shows liveness holds")


def _vector(row: asyncpg.Record | None, *, embeds: bool) -> Finding:
    if row is None and embeds:
        text = "pgvector is not there: documents are found by words only"
        return problem(
            "postgres", text, "install the package postgresql-NN-pgvector on its machine"
        )
    if row is None:
        return ok("postgres", "pgvector is not there; only embeddings would need it")
    if embeds and row["installed"] is None:
        text = "pgvector is not installed: documents are found by words only"
        return problem("postgres", text, AS_SUPERUSER, ("CREATE EXTENSION vector;",))
    state = "installed" if row["installed"] else "available"
    return ok("postgres", f"pgvector {row['installed'] or row['available']} is {state}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
