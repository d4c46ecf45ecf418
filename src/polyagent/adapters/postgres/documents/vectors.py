"""The vectors of chunks, in PostgreSQL, while they are made."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from polyagent.adapters.postgres.documents import spaces
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.documents.document import Build
from polyagent.domain.documents.embedding import (
    CLAIM_S,
    BareChunk,
    Embedding,
    Recipe,
    Space,
    Vector,
)
from polyagent.domain.errors import Fenced

# 1 space, 2 seconds. The newest first: somebody waits for it.
CLAIM = """
WITH next AS (
    SELECT i.no FROM indexes i
    WHERE i.in_use AND EXISTS (SELECT FROM spaces WHERE id = $1 AND wanted) AND NOT EXISTS (
        SELECT FROM embedded e
        WHERE e.space_id = $1 AND e.index_no = i.no AND (e.finished OR e.claimed_until >= now())
    )
    ORDER BY i.no DESC LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    INSERT INTO embedded (space_id, index_no, claimed_until)
    SELECT $1, no, now() + make_interval(secs => $2) FROM next
    ON CONFLICT (space_id, index_no) DO UPDATE SET claimed_until = excluded.claimed_until
    WHERE NOT embedded.finished AND embedded.claimed_until < now()
    RETURNING index_no
)
SELECT document_id, version, chunks FROM claimed JOIN indexes ON no = index_no
"""

# 1 space, 2 seconds, 3 document, 4 version
BEGIN = """
INSERT INTO embedded (space_id, index_no, claimed_until)
SELECT s.id, i.no, now() + make_interval(secs => $2)
FROM spaces s, indexes i
WHERE s.id = $1 AND s.wanted AND i.document_id = $3 AND i.version = $4
ON CONFLICT (space_id, index_no) DO UPDATE SET claimed_until = excluded.claimed_until
RETURNING (SELECT chunks FROM indexes WHERE no = index_no)
"""

# 1 space, 2 seconds, 3 document, 4 version. The index cannot be deleted until what follows is committed.
RENEW = """
WITH i AS (
    SELECT no FROM indexes WHERE document_id = $3 AND version = $4 FOR KEY SHARE
)
UPDATE embedded SET claimed_until = now() + make_interval(secs => $2)
FROM i WHERE space_id = $1 AND index_no = i.no
RETURNING index_no
"""

# 1 space, 2 document, 3 version
FINISH = """
UPDATE embedded SET finished = true FROM indexes i
WHERE space_id = $1 AND index_no = i.no AND i.document_id = $2 AND i.version = $3
    AND i.chunks = (SELECT count(*) FROM {vectors} v WHERE v.index_no = i.no)
"""

# Of the index `no`; `hash` is what two equal texts have.
_CHUNK = """indexes i JOIN chunks c ON c.document_id = i.document_id AND c.index_version = i.version
    CROSS JOIN LATERAL (SELECT substr(sha256(convert_to(c.text, 'UTF8')), 1, 16) AS hash) h"""
_COLUMNS = "index_no, n, shelf_id, user_id, hash, embedding"
_OF_CHUNK = "i.no, c.n, i.shelf_id, c.user_id, h.hash"

# 1 index, 2 from, 3 to before
COPY = f"""
INSERT INTO {{vectors}} ({_COLUMNS})
SELECT {_OF_CHUNK}, known.embedding FROM {_CHUNK}
CROSS JOIN LATERAL (
    SELECT embedding FROM {{vectors}} v WHERE v.user_id = c.user_id AND v.hash = h.hash LIMIT 1
) known
WHERE i.no = $1 AND c.n >= $2 AND c.n < $3
ON CONFLICT DO NOTHING
"""  # noqa: S608  # pieces of our own

# 1 index, 2 from, 3 to before
LACKING = """
SELECT c.n, c.text FROM indexes i
JOIN chunks c ON c.document_id = i.document_id AND c.index_version = i.version
WHERE i.no = $1 AND c.n >= $2 AND c.n < $3
    AND NOT EXISTS (SELECT FROM {vectors} v WHERE v.index_no = i.no AND v.n = c.n)
ORDER BY c.n
"""

# 1 index, 2 numbers of chunks, 3 their vectors
WRITE = f"""
INSERT INTO {{vectors}} ({_COLUMNS})
SELECT {_OF_CHUNK}, u.vector::{{home}}.halfvec FROM {_CHUNK}
JOIN unnest($2::int[], $3::text[]) AS u(n, vector) ON u.n = c.n
WHERE i.no = $1
ON CONFLICT DO NOTHING
"""  # noqa: S608  # pieces of our own

GONE = "The index, or the space of its vectors, is gone."


class PostgresVectors:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(self, recipe: Recipe, width: int) -> Space:
        return await spaces.open_space(self._pool, recipe, width)

    async def claim(self, space: Space) -> Embedding | None:
        with translated():
            row = await self._pool.fetchrow(CLAIM, space.id, CLAIM_S)
        return None if row is None else Embedding(space=space, **row)

    async def begin(self, space: Space, build: Build) -> Embedding | None:
        which = (build.document.id, build.version)
        with translated():
            chunks = await self._pool.fetchval(BEGIN, space.id, CLAIM_S, *which)
        return (
            None
            if chunks is None
            else Embedding(space=space, document_id=which[0], version=which[1], chunks=chunks)
        )

    async def lacking(self, work: Embedding, start: int, end: int) -> Sequence[BareChunk]:
        async with self._holding(work) as (connection, no):
            await connection.execute(_in(COPY, work.space), no, start, end)
            rows = await connection.fetch(_in(LACKING, work.space), no, start, end)
        return [BareChunk(**row) for row in rows]

    async def write(self, work: Embedding, vectors: Sequence[tuple[int, Vector]]) -> None:
        numbers = [n for n, _ in vectors]
        told = await asyncio.to_thread(lambda: [written(vector) for _, vector in vectors])
        async with self._holding(work) as (connection, no):
            home = spaces.quoted(await connection.fetchval(spaces.HOME))
            await connection.execute(_in(WRITE, work.space, home=home), no, numbers, told)

    async def finish(self, work: Embedding) -> None:
        which = (work.space.id, work.document_id, work.version)
        with translated(), _unless_gone():
            await self._pool.execute(_in(FINISH, work.space), *which)

    async def settle(self, space: Space) -> bool:
        is_seen = await spaces.use_space(self._pool, space.id)
        await spaces.drop_left_over(self._pool)
        return is_seen

    @asynccontextmanager
    async def _holding(self, work: Embedding) -> AsyncIterator[tuple[PoolConnectionProxy, int]]:
        """Renew the claim, and keep the index from being deleted while the block writes to it."""
        which = (work.space.id, CLAIM_S, work.document_id, work.version)
        with translated(), _unless_gone():
            async with self._pool.acquire() as connection, connection.transaction():
                no = await connection.fetchval(RENEW, *which)
                if no is None:
                    raise Fenced(GONE)
                yield connection, no


def written(vector: Vector) -> str:
    """Return a vector as pgvector reads it; half precision has no more than four digits."""
    return f"[{','.join([f'{number:.5g}' for number in vector])}]"


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise Fenced(GONE) from error


def _in(statement: str, space: Space, **names: str) -> str:
    return statement.format(vectors=spaces.table(space.id), **names)
