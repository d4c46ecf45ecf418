"""Searching chunks by their terms, in PostgreSQL: BM25 over the postings, in one statement."""

from collections.abc import Sequence
from uuid import UUID

from polyagent.adapters.postgres.documents.nearest import Nearest
from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.documents.embedding import Space, Vector
from polyagent.domain.documents.ranking import BOUNDS, K1, B, Bounds
from polyagent.domain.documents.retrieval import Near, Passage, Reach

_SHELVES = "(SELECT ids FROM shelf)::integer[]"

# the postings of a term `t.term` in all shelves, or in named documents
_IN_SHELVES = f"""postings p WHERE p.shelf_id = ANY ({_SHELVES}) AND p.term = t.term
            AND p.index_no <> ALL ((SELECT nos FROM unused)::integer[])"""  # noqa: S608  # our own
_IN_NAMED = """known k JOIN postings p ON p.shelf_id = k.shelf_id AND p.index_no = k.no
            WHERE k.in_use AND p.term = t.term"""


def search(bounds: Bounds, *, named: bool) -> str:
    """Return the statement; `named`: some documents only.

    1 workspace, 2 user, 3 collection, 4 terms, 5 how many, 6 documents if `named`. Shelves and documents
    are conditions of the index scan, which is of the index only; terms are counted no further than they
    may be common.
    """
    postings = _IN_NAMED if named else _IN_SHELVES
    only = "AND i.document_id = ANY ($6::uuid[])" if named else ""
    return f"""
WITH shelf AS MATERIALIZED (
    SELECT coalesce(array_agg(id), '{{}}') AS ids FROM shelves
    WHERE workspace_id = $1 AND (user_id = $2 OR user_id IS NULL)
        AND ($3::text IS NULL OR collection = $3)
), known AS MATERIALIZED (
    SELECT no, shelf_id, in_use, chunks, length FROM indexes i
    WHERE i.shelf_id = ANY ({_SHELVES}) {only}
), unused AS MATERIALIZED (
    SELECT coalesce(array_agg(no), '{{}}') AS nos FROM known WHERE NOT in_use
), total AS MATERIALIZED (
    SELECT coalesce(sum(chunks), 0)::float AS chunks,
        greatest(sum(length)::float / nullif(sum(chunks), 0), 1) AS mean_length,
        greatest({bounds.least_common}, sum(chunks) * {bounds.common})::bigint AS common
    FROM known WHERE in_use
), counted AS MATERIALIZED (
    SELECT t.term, (
        SELECT count(*) FROM (
            SELECT FROM {postings} LIMIT (SELECT common + 1 FROM total)
        ) AS few
    ) AS n
    FROM unnest($4::text[]) AS t(term)
), kept AS MATERIALIZED (
    SELECT term, ln(1 + greatest(total.chunks - n + 0.5, 0) / (n + 0.5)) AS idf
    FROM total, (
        SELECT *, row_number() OVER rarest AS rank, sum(n) OVER rarest AS postings
        FROM counted WHERE n > 0 WINDOW rarest AS (ORDER BY n, term)
    ) AS ranked
    WHERE rank <= {bounds.rarest} OR (
        rank <= {bounds.terms} AND n <= common AND postings <= {bounds.postings}
    )
), best AS (
    SELECT p.index_no, p.n, sum(
        t.idf * p.tf * {K1 + 1} / (p.tf + {K1 * (1 - B)} + {K1 * B}::float * p.length / total.mean_length)
    ) AS score
    FROM total, kept t, LATERAL (SELECT p.* FROM {postings}) p
    GROUP BY p.index_no, p.n
    ORDER BY score DESC, p.index_no, p.n LIMIT $5
)
SELECT d.id AS document_id, d.filename, c.id AS chunk_id, c.text, c.page, c.start_at AS start,
    c.end_at AS end, best.score
FROM best JOIN indexes i ON i.no = best.index_no JOIN documents d ON d.id = i.document_id
JOIN chunks c ON c.document_id = d.id AND c.index_version = i.version AND c.n = best.n
WHERE d.workspace_id = $1 AND (d.user_id = $2 OR d.visibility = 'shared')
ORDER BY best.score DESC, best.index_no, best.n
"""  # noqa: S608  # pieces of our own, values are bound


_EVERYWHERE = search(BOUNDS, named=False)
_IN_SOME = search(BOUNDS, named=True)

# 1 workspace, 2 user, 3 collection, 4 documents
_KNOWN = """
SELECT id FROM documents
WHERE id = ANY ($4::uuid[]) AND workspace_id = $1 AND (user_id = $2 OR visibility = 'shared')
    AND ($3::text IS NULL OR collection = $3)
"""

# 1 workspace, 2 user, 3 collection, 4 documents, 5 how many
_FIRST = """
SELECT d.id AS document_id, d.filename, c.id AS chunk_id, c.text, c.page, c.start_at AS start,
    c.end_at AS end, 0::float AS score
FROM documents d JOIN chunks c
    ON c.document_id = d.id AND c.index_version = d.index_version AND c.n < $5
WHERE d.id = ANY ($4::uuid[]) AND d.workspace_id = $1
    AND (d.user_id = $2 OR d.visibility = 'shared') AND ($3::text IS NULL OR d.collection = $3)
ORDER BY c.n, d.id LIMIT $5
"""


class PostgresRetrieval:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._nearest = Nearest(pool)

    async def space(self) -> Space | None:
        return await self._nearest.space()

    async def by_vector(self, reach: Reach, space: Space, vector: Vector, top_k: int) -> Near:
        return await self._nearest.find(reach, space, vector, top_k)

    async def by_terms(self, reach: Reach, terms: Sequence[str], top_k: int) -> Sequence[Passage]:
        if not terms:
            return ()
        which = (reach.workspace_id, reach.user_id, reach.collection, [*terms], top_k)
        with translated():
            if reach.document_ids is None:
                rows = await self._pool.fetch(_EVERYWHERE, *which)
            else:
                rows = await self._pool.fetch(_IN_SOME, *which, [*reach.document_ids])
        return [Passage(**row) for row in rows]

    async def first(self, reach: Reach, top_k: int) -> Sequence[Passage]:
        named = [*(reach.document_ids or ())]
        which = (reach.workspace_id, reach.user_id, reach.collection, named, top_k)
        with translated():
            return [Passage(**row) for row in await self._pool.fetch(_FIRST, *which)]

    async def known(self, reach: Reach) -> frozenset[UUID]:
        named = [*(reach.document_ids or ())]
        which = (reach.workspace_id, reach.user_id, reach.collection, named)
        with translated():
            return frozenset(row["id"] for row in await self._pool.fetch(_KNOWN, *which))
