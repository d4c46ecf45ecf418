"""Telling a transaction pooler from a server."""

import asyncpg

from polyagent.adapters.postgres.pool import connect_args
from polyagent.settings import Database

PID = "SELECT pg_backend_pid()"


async def is_pooled(settings: Database, url: str | None) -> bool:
    """Say whether statements of one connection may run in several sessions of the server.

    While one connection is idle, a pooler gives its session to the next one that asks. Raises what
    asyncpg raises.
    """
    args = {**connect_args(settings, url=url), "statement_cache_size": 0}
    first = await asyncpg.connect(**args)
    try:
        second = await asyncpg.connect(**args)
        try:
            return await _share(first, second)
        finally:
            second.terminate()
    finally:
        first.terminate()


async def _share(
    first: "asyncpg.Connection[asyncpg.Record]", second: "asyncpg.Connection[asyncpg.Record]"
) -> bool:
    before = await first.fetchval(PID)
    async with second.transaction():
        other = await second.fetchval(PID)
        after = await first.fetchval(PID)
    return bool(other == before or after != before)
