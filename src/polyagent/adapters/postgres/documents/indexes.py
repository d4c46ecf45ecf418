"""Indexes of documents while they are built, in PostgreSQL."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from asyncpg.pool import PoolConnectionProxy

from polyagent.adapters.postgres.documents import postings
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import Actor
from polyagent.domain.documents.document import Build, Chunk, Document
from polyagent.domain.errors import Fenced, NotFound

# 1 document, 2 task, 3 workspace, 4 user, 5 whether that is an administrator, 6 attempt
BEGIN = """
UPDATE documents d
SET build = build + 1, status = 'processing', error = NULL, version = version + 1, task_id = $2,
    progress = CASE WHEN task_id = $2 THEN progress ELSE 0 END
WHERE id = $1 AND workspace_id = $3 AND (user_id = $4 OR $5) AND NOT EXISTS (
    SELECT FROM tasks t WHERE t.id = $2 AND (t.status <> 'running' OR t.attempt <> $6)
)
RETURNING d.build, d.index_version, d.blob, (to_jsonb(d) || jsonb_build_object('owner_id', d.user_id))::text
"""

# 1 document, 2 workspace, 3 user, 4 whether that is an administrator
IS_THERE = "SELECT true FROM documents WHERE id = $1 AND workspace_id = $2 AND (user_id = $3 OR $4)"

# 1 document, 2 the index to keep
DISCARD = "DELETE FROM chunks WHERE document_id = $1 AND index_version <> $2"

# 1 document, 2 build, 3 progress, 4.. the columns of chunks
WRITE = """
WITH d AS (
    UPDATE documents SET progress = greatest(progress, $3) WHERE id = $1 AND build = $2
    RETURNING id, workspace_id, user_id
), c AS (
    INSERT INTO chunks (
        document_id, workspace_id, user_id, index_version,
        id, n, text, page, start_at, end_at, headings, tokens)
    SELECT d.id, d.workspace_id, d.user_id, $2, u.*
    FROM d, unnest(
        $4::uuid[], $5::int[], $6::text[], $7::int[], $8::int[], $9::int[], $10::jsonb[], $11::int[]
    ) AS u
)
SELECT count(*) FROM d
"""

# 1 document, 2 build
FINISH = """
UPDATE documents
SET index_version = $2, status = 'indexed', progress = 1, error = NULL, indexed_at = now(),
    version = version + 1,
    chunk_count = (SELECT count(*) FROM chunks WHERE document_id = $1 AND index_version = $2)
WHERE id = $1 AND build = $2
RETURNING true
"""

# 1 names
KNOWN = "SELECT blob FROM documents WHERE blob = ANY ($1)"

GONE = "Another has begun to index the document, or it is gone, or the task has ended."


class PostgresIndexes:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(
        self, actor: Actor, document_id: UUID, task_id: UUID, attempt: int = 1
    ) -> Build:
        mine = (document_id, task_id, actor.workspace_id, actor.user_id, actor.is_admin)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(BEGIN, *mine, attempt)
                if row is None:
                    raise await _refusal(connection, *mine[:1], *mine[2:])
                build, in_use, blob, told = row
                await connection.execute(DISCARD, document_id, in_use)
                await connection.execute(postings.DISCARD, document_id, in_use)
                await connection.execute(postings.BEGIN, document_id, build)
        document = msgspec.json.decode(told, type=Document)
        return Build(document=document, blob=blob, version=build)

    async def write(self, build: Build, chunks: Sequence[Chunk], *, progress: float) -> None:
        which = (build.document.id, build.version, progress)
        counted = await asyncio.to_thread(postings.count, chunks, build.document.filename)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(WRITE, *which, *_columns(chunks)):
                    raise Fenced(GONE)
                if not await postings.write(connection, build, counted):
                    raise Fenced(GONE)

    async def finish(self, build: Build) -> None:
        which = (build.document.id, build.version)
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(FINISH, *which):
                    raise Fenced(GONE)
                await connection.execute(DISCARD, *which)
                # a statement of its own: it sees what was committed while the first one waited
                if not await connection.fetchval(postings.USE, *which):
                    raise Fenced(GONE)
                await connection.execute(postings.DISCARD, *which)

    async def known(self, blobs: Sequence[str]) -> frozenset[str]:
        with translated():
            return frozenset(row["blob"] for row in await self._pool.fetch(KNOWN, blobs))


async def _refusal(
    connection: PoolConnectionProxy, document_id: UUID, *whose: UUID | bool
) -> Exception:
    """Say why no build was begun."""
    if await connection.fetchval(IS_THERE, document_id, *whose):
        return Fenced(GONE)
    return NotFound(f"There is no document {document_id}.")


def _columns(chunks: Sequence[Chunk]) -> Sequence[Sequence[Any]]:
    return (
        [chunk.id for chunk in chunks],
        [chunk.n for chunk in chunks],
        [chunk.text for chunk in chunks],
        [chunk.page for chunk in chunks],
        [chunk.start for chunk in chunks],
        [chunk.end for chunk in chunks],
        # asyncpg takes lists in a list for another dimension of the array
        [tuple(chunk.headings) for chunk in chunks],
        [chunk.tokens for chunk in chunks],
    )
