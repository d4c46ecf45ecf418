"""How many connections there are for us."""

import asyncpg

from polyagent.domain.finding import Finding, ok, warning

LOOK = """
SELECT least(
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
)
"""

BEAT = 1  # each process shows its liveness on a connection of its own
MIGRATION = 1


async def capacity(
    connection: "asyncpg.Connection[asyncpg.Record]", max_open_conns: int, processes: int
) -> Finding:
    """Compare what the server, the database and the role allow with what `processes` may open."""
    allowed: int = await connection.fetchval(LOOK)
    wanted = processes * (max_open_conns + BEAT) + MIGRATION
    text = f"{allowed} connections are allowed; {processes} processes may open {wanted}"
    if wanted <= allowed:
        return ok("postgres", text)
    fitting = max(2, (allowed - MIGRATION) // processes - BEAT)
    advice = f"set database.max_open_conns to {fitting}, or raise max_connections"
    return warning("postgres", text, advice)
