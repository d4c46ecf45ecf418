"""Connections to PostgreSQL, and the pool for what a chat request touches."""

import asyncio
import re
from typing import Any

import asyncpg
import msgspec
from asyncpg.pool import PoolAcquireContext

from polyagent.domain.errors import Invalid
from polyagent.settings import Database

SCHEMA = "polyagent"
IDLE_S = 60.0
GRACE_S = 5.0  # the server's own limit comes first: it says more


class Connection(asyncpg.Connection):
    """A connection that knows its age, by the loop's clock."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.born_at = asyncio.get_running_loop().time()


class Pool(asyncpg.Pool):
    """Connects only when asked, so that it can be made while the server is away.

    asyncpg's own `min_size` connects at once, and fails then; here it only says how many idle
    connections are kept. Waiting for a connection ends with `TimeoutError`.
    """

    def __init__(self, settings: Database, *, min_size: int, max_size: int) -> None:
        super().__init__(
            min_size=0,
            max_size=max_size,
            max_queries=2**62,  # age decides, not use
            max_inactive_connection_lifetime=IDLE_S,
            init=speak_json,
            reset=self._retire,
            loop=asyncio.get_running_loop(),
            connection_class=Connection,
            record_class=asyncpg.Record,
            **connect_args(settings),
        )
        self._kept = min_size
        self._lifetime_s = settings.max_lifetime
        self._wait_s = settings.connect_timeout_s

    def get_min_size(self) -> int:
        return self._kept

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext:
        return super().acquire(timeout=timeout or self._wait_s)

    async def _retire(self, connection: Connection) -> None:
        # replaces asyncpg's reset query, a round trip: no statement of ours leaves a state behind
        if asyncio.get_running_loop().time() - connection.born_at > self._lifetime_s:
            await connection.close()


async def open_pool(settings: Database, *, min_size: int) -> Pool:
    """Return a pool that keeps `min_size` idle connections; nothing is connected yet.

    A `jsonb` parameter is any value that msgspec encodes; a `jsonb` column is read as its text.
    """
    max_size, _ = shares(settings.max_open_conns)
    return await Pool(settings, min_size=min(min_size, max_size), max_size=max_size)


def shares(max_open_conns: int) -> tuple[int, int]:
    """Divide a process's connections: for this pool, and for the management nouns."""
    managed = max(1, max_open_conns // 4)
    return max_open_conns - managed, managed


def connect_args(settings: Database, *, url: str | None = None) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect` for `url` (None: the settings' own)."""
    return {
        "dsn": dsn(url or settings.url),
        "timeout": settings.connect_timeout_s,
        "command_timeout": settings.statement_timeout_s + GRACE_S,
        "server_settings": {
            "search_path": SCHEMA,
            "timezone": "UTC",
            "application_name": "polyagent",
            "statement_timeout": _ms(settings.statement_timeout_s),
            "lock_timeout": _ms(settings.lock_timeout_s),
        },
    }


def dsn(url: str | None) -> str:
    """Return `url` as libpq writes it: no driver in its scheme. Raises `Invalid`."""
    scheme, found, rest = (url or "").partition("://")
    if not found or not re.fullmatch(r"postgres(ql)?(\+\w+)?", scheme):
        raise Invalid("database.url: it must begin with postgresql:// or postgres://.")
    return f"postgresql://{rest}"


async def speak_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json_text, decoder=str, format="text"
    )


def json_text(value: Any) -> str:
    """Return `value` as JSON: anything that msgspec encodes."""
    return msgspec.json.encode(value).decode()


def _ms(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
