"""Searching chunks by their vectors, in PostgreSQL: exactly, or by the index where there are many."""

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from polyagent.adapters.postgres.documents.spaces import ADVICE, quoted, table
from polyagent.adapters.postgres.documents.vectors import written
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.documents.embedding import Recipe, Space, Vector
from polyagent.domain.documents.retrieval import Near, Passage, Reach
from polyagent.domain.errors import SpaceGone, VectorsImpossible

EXACT = 10_000
"""So many chunks are compared one by one: no slower than the index, and it misses nothing."""
EF_SEARCH = 100
MAX_SCAN = 20_000
"""The index gives up after so many chunks, whosever they are: a small part of many is not sought there."""

SPACE = """
SELECT s.*, home FROM (
    SELECT min(n.nspname) AS home
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
) AS installed LEFT JOIN LATERAL (
    SELECT * FROM spaces WHERE in_use ORDER BY id DESC LIMIT 1
) AS s ON true
"""

# 1 workspace, 2 user, 3 collection, 4 space, 5 its table
REACH = """
SELECT coalesce(array_agg(DISTINCT i.shelf_id), '{}') AS shelves,
    coalesce(array_agg(i.no) FILTER (WHERE i.in_use), '{}') AS in_use,
    coalesce(array_agg(i.no) FILTER (WHERE NOT i.in_use), '{}') AS unused,
    coalesce(sum(i.chunks) FILTER (WHERE i.in_use), 0)::bigint AS chunks,
    coalesce(bool_and(e.finished IS TRUE) FILTER (WHERE i.in_use AND i.chunks > 0), true) AS is_whole,
    (SELECT reltuples FROM pg_class WHERE oid = to_regclass($5)) AS total
FROM shelves s JOIN indexes i ON i.shelf_id = s.id
LEFT JOIN embedded e ON e.space_id = $4 AND e.index_no = i.no
WHERE s.workspace_id = $1 AND (s.user_id = $2 OR s.user_id IS NULL)
    AND ($3::text IS NULL OR s.collection = $3)
"""
# 6 documents
REACH_NAMED = f"{REACH} AND i.document_id = ANY ($6::uuid[])"

ITERATE = """
SET LOCAL hnsw.ef_search = {ef_search};
SET LOCAL hnsw.iterative_scan = relaxed_order;
SET LOCAL hnsw.max_scan_tuples = {scanned};
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off
"""
COMPARE = "SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT"

# 5 shelves, 6 indexes of theirs that are not in use; or 5 the indexes
IN_SHELVES = "shelf_id = ANY ($5::int[]) AND index_no <> ALL ($6::int[])"
IN_NAMED = "index_no = ANY ($5::int[])"

# 1 workspace, 2 user, 3 vector, 4 how many. Zeros are at no distance (NaN) from anything.
_TOLD = """
SELECT d.id AS document_id, d.filename, c.id AS chunk_id, c.text, c.page, c.start_at AS start,
    c.end_at AS end, 1 - best.distance AS score
FROM best JOIN indexes i ON i.no = best.index_no JOIN documents d ON d.id = i.document_id
JOIN chunks c ON c.document_id = d.id AND c.index_version = i.version AND c.n = best.n
WHERE d.workspace_id = $1 AND (d.user_id = $2 OR d.visibility = 'shared') AND best.distance <= 2
ORDER BY best.distance, best.index_no, best.n
"""


class Nearest:
    """Compares up to `exact` chunks one by one, else goes past `scanned` in the index.

    Keeps where pgvector is, once it is known.
    """

    def __init__(self, pool: Pool, *, exact: int = EXACT, scanned: int = MAX_SCAN) -> None:
        self._pool = pool
        self._exactly = exact
        self._scanned = scanned
        self._home = ""

    async def space(self) -> Space | None:
        with translated():
            row = await self._pool.fetchrow(SPACE)
        assert row is not None  # noqa: S101  # an aggregate has one row
        if row["home"] is None:
            raise VectorsImpossible(f"The database has no pgvector: {ADVICE}.")
        self._home = quoted(row["home"])
        return None if row["id"] is None else _space(row)

    async def find(self, reach: Reach, space: Space, vector: Vector, top_k: int) -> Near:
        with translated():
            try:
                async with (
                    self._pool.acquire() as connection,
                    connection.transaction(isolation="repeatable_read", readonly=True),
                ):
                    return await self._found(connection, reach, space, vector, top_k)
            except asyncpg.UndefinedTableError as error:
                raise SpaceGone("Another model's vectors took the place of these.") from error

    async def _found(
        self,
        connection: PoolConnectionProxy,
        reach: Reach,
        space: Space,
        vector: Vector,
        top_k: int,
    ) -> Near:
        row = await _reached(connection, reach, space)
        only, where = IN_SHELVES, [row["shelves"], row["unused"]]
        if reach.document_ids is not None:
            only, where = IN_NAMED, [row["in_use"]]
        asked = (reach.workspace_id, reach.user_id, written(vector), top_k, *where)
        rows = []
        if self._is_worth(row["chunks"], row["total"] or 0):
            await connection.execute(ITERATE.format(ef_search=EF_SEARCH, scanned=self._scanned))
            rows = await connection.fetch(self._indexed(space, only), *asked)
            await connection.execute(COMPARE)
        if len(rows) < top_k:  # others' chunks may be nearer than all that is reached
            rows = await connection.fetch(self._exact(space, only), *asked)
        return Near(items=[Passage(**row) for row in rows], is_whole=row["is_whole"])

    def _is_worth(self, chunks: int, total: float) -> bool:
        """Say whether the index is likely to come past enough of so many chunks."""
        return chunks > self._exactly and chunks * self._scanned >= total * EF_SEARCH

    def _exact(self, space: Space, only: str) -> str:
        return f"""
        WITH reached AS MATERIALIZED (
            SELECT index_no, n, {self._distance(space)} AS distance FROM {table(space.id)}
            WHERE {only}
        ), best AS (
            SELECT * FROM reached WHERE distance <= 2 ORDER BY distance, index_no, n LIMIT $4
        ) {_TOLD}
        """  # noqa: S608  # pieces of our own, values are bound

    def _indexed(self, space: Space, only: str) -> str:
        """Return the statement that follows the index, which comes in an order that is nearly right."""
        return f"""
        WITH best AS MATERIALIZED (
            SELECT index_no, n, {self._distance(space)} AS distance FROM {table(space.id)}
            WHERE {only}
            ORDER BY {self._distance(space)} LIMIT $4
        ) {_TOLD}
        """  # noqa: S608  # pieces of our own, values are bound

    def _distance(self, space: Space) -> str:
        # a subquery is read once, a parameter of a general plan once for each row
        vector = f"(SELECT $3::text::{self._home}.halfvec({space.width}))"
        return f"(embedding OPERATOR({self._home}.<=>) {vector})"


async def _reached(connection: PoolConnectionProxy, reach: Reach, space: Space) -> asyncpg.Record:
    who = (reach.workspace_id, reach.user_id, reach.collection)
    asked = (*who, space.id, table(space.id))
    if reach.document_ids is None:
        row = await connection.fetchrow(REACH, *asked)
    else:
        row = await connection.fetchrow(REACH_NAMED, *asked, [*reach.document_ids])
    assert row is not None  # noqa: S101  # an aggregate has one row
    return row


def _space(row: asyncpg.Record) -> Space:
    recipe = msgspec.json.decode(row["recipe"], type=Recipe)
    return Space(id=row["id"], recipe=recipe, width=row["width"])
