"""Spaces of vectors in PostgreSQL: pgvector, and a table for each space."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.documents.embedding import UNSEEN_S, Recipe, Space
from polyagent.domain.errors import VectorsImpossible

OLDEST = (0, 8)
"""Since then an index scan goes on until enough of what it finds passes the filters."""

# Of many processes one changes the spaces at a time.
LOCK = "SELECT pg_advisory_xact_lock(13, 0)"

HOME = """
SELECT n.nspname AS home, e.extversion AS version
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
"""
MAKE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector"

# 1 recipe, 2 width
ADD = """
INSERT INTO spaces (recipe, width) VALUES ($1::jsonb, $2)
ON CONFLICT (recipe, width) DO UPDATE SET width = excluded.width
RETURNING id
"""

# 1 space
WANT = "UPDATE spaces SET wanted = id = $1, seen_at = now() WHERE wanted OR id = $1"

# 1 space
SEE = "UPDATE spaces SET seen_at = now() WHERE id = $1 AND wanted"

# 1 seconds
IS_SEEN = """
SELECT EXISTS (SELECT FROM spaces WHERE wanted AND seen_at > now() - make_interval(secs => $1))
"""

# 1 space. Nothing is lost by the change: what the space in use has, and is in use, the new one has too.
USE = """
UPDATE spaces SET in_use = id = $1
WHERE in_use <> (id = $1) AND EXISTS (SELECT FROM spaces WHERE id = $1 AND wanted)
    AND NOT EXISTS (
        SELECT FROM spaces s JOIN embedded old ON old.space_id = s.id
        JOIN indexes i ON i.no = old.index_no
        WHERE s.in_use AND s.id <> $1 AND old.finished AND i.in_use AND NOT EXISTS (
            SELECT FROM embedded new
            WHERE new.space_id = $1 AND new.index_no = old.index_no AND new.finished
        )
    )
"""
LEFT_OVER = "SELECT id FROM spaces WHERE NOT wanted AND NOT in_use"
REMOVE = "DELETE FROM spaces WHERE id = $1"

ADVICE = "as a superuser, run CREATE EXTENSION vector"


def table(space_id: int) -> str:
    return f"vectors_{space_id}"


def quoted(home: str) -> str:
    return '"{}"'.format(home.replace('"', '""'))


async def open_space(pool: Pool, recipe: Recipe, width: int) -> Space:
    """Make what a space needs, and make it the wanted one. Raises `VectorsImpossible`."""
    async with _changing(pool) as connection:
        home = await _home(connection)
        space_id: int = await connection.fetchval(ADD, recipe, width)
        for statement in _table_of(space_id, width, quoted(home)):
            await connection.execute(statement)
        await connection.execute(WANT, space_id)
    return Space(id=space_id, recipe=recipe, width=width)


async def use_space(pool: Pool, space_id: int) -> bool:
    """Use a space if it is wanted and lacks nothing. Return whether somebody is there who wants one."""
    async with _changing(pool) as connection:
        await connection.execute(SEE, space_id)
        await connection.execute(USE, space_id)
        is_seen: bool = await connection.fetchval(IS_SEEN, UNSEEN_S)
    return is_seen


async def drop_left_over(pool: Pool) -> None:
    async with _changing(pool) as connection:
        for row in await connection.fetch(LEFT_OVER):
            await connection.execute(f"DROP TABLE IF EXISTS {table(row['id'])}")
            await connection.execute(REMOVE, row["id"])


@asynccontextmanager
async def _changing(pool: Pool) -> AsyncIterator[PoolConnectionProxy]:
    try:
        with translated():
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK)
                yield connection
    except asyncpg.InsufficientPrivilegeError as error:
        raise VectorsImpossible(
            f"PostgreSQL keeps no vectors for us: {error}; {ADVICE}."
        ) from error
    except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
        raise VectorsImpossible(f"PostgreSQL has no pgvector: install it and, {ADVICE}.") from error


async def _home(connection: PoolConnectionProxy) -> str:
    """Return the schema of pgvector, which is made if it can be."""
    row = await connection.fetchrow(HOME)
    if row is None:
        await connection.execute(MAKE_EXTENSION)
        row = await connection.fetchrow(HOME)
        assert row is not None  # noqa: S101  # it has just been made
    if tuple(int(part) for part in row["version"].split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise VectorsImpossible(
            f"pgvector {row['version']} is too old: {oldest} is needed (ALTER EXTENSION vector UPDATE)."
        )
    return str(row["home"])


def _table_of(space_id: int, width: int, home: str) -> tuple[str, ...]:
    """Return how to make the table; its rows stay in one page each, whatever the width."""
    name = table(space_id)
    return (
        f"""
        CREATE TABLE IF NOT EXISTS {name} (
          index_no integer NOT NULL,
          n integer NOT NULL,
          shelf_id integer NOT NULL,
          user_id uuid NOT NULL,
          hash bytea NOT NULL,
          embedding {home}.halfvec({width}) STORAGE PLAIN NOT NULL,
          PRIMARY KEY (index_no, n))
        """,
        f"CREATE INDEX IF NOT EXISTS {name}_shelf ON {name} (shelf_id)",
        f"CREATE INDEX IF NOT EXISTS {name}_text ON {name} (user_id, hash)",
        f"""
        CREATE INDEX IF NOT EXISTS {name}_near
          ON {name} USING hnsw (embedding {home}.halfvec_cosine_ops)
        """,
    )
