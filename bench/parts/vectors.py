"""What it costs to find a passage by its vector, alone and beside its words, and how many the index misses.

The vectors are made up: clusters, as those of real texts have, in as many dimensions as a small model's.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from bench.parts.documents import COLLECTIONS, DOCUMENT, QUERY_WORDS, TOP_K, WORDS, Words
from bench.stage import Stage
from bench.table import show
from polyagent.adapters.openai.ranking.reranker import NoReranker
from polyagent.adapters.postgres.documents.indexes import PostgresIndexes
from polyagent.adapters.postgres.documents.nearest import Nearest
from polyagent.adapters.postgres.documents.retrieval import PostgresRetrieval
from polyagent.adapters.postgres.documents.spaces import table
from polyagent.adapters.postgres.documents.vectors import PostgresVectors
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.documents.document import Chunk
from polyagent.domain.documents.embedding import Recipe, Side, Space, Vector
from polyagent.domain.documents.retrieval import Mode, Reach
from polyagent.domain.ids import new_id
from polyagent.settings import Database
from polyagent.usecases.documents.passage_search import PassageSearch

SIZES = (1_000, 100_000)
MANY = (500_000,)
WIDTH = 384
CLUSTERS = 500
SPREAD = 1.0
"""How far the vectors of a cluster lie around its middle, in lengths of it."""
QUERIES = 100
ALL = 10**9
RECIPE = Recipe(model="bench")

ADD = """
INSERT INTO documents (id, workspace_id, user_id, filename, content_type, size_bytes, sha256, blob,
    collection, visibility)
SELECT $1, $2, $3, 'bench.txt', 'text/plain', 1, $1::uuid::text, $1::uuid::text, $4, 'private'
"""
BUILT = ("chunks", "vectors/s", "bytes a vector and its indexes")
SEARCHED = ("chunks", "reach", "mode", "p50 ms", "p99 ms", "times SELECT 1")
MISSED = ("chunks", "reach", "exact p50 ms", "index p50 ms", "index p99 ms", f"recall@{TOP_K}")

T = TypeVar("T")


class Clusters:
    """Vectors around the middles of clusters, always the same ones."""

    def __init__(self) -> None:
        self._chance = random.Random(6)  # noqa: S311  # a corpus, no secret
        self._middles = [self._direction() for _ in range(CLUSTERS)]
        self._noise = [self._direction() for _ in range(2_000)]

    def vector(self) -> Vector:
        middle = self._chance.choice(self._middles)
        one, other = self._chance.sample(self._noise, 2)
        far = SPREAD * self._chance.random()
        return [a + far * (b + c) for a, b, c in zip(middle, one, other, strict=True)]

    def _direction(self) -> Vector:
        numbers = [self._chance.gauss(0, 1) for _ in range(WIDTH)]
        length = math.hypot(*numbers)
        return [number / length for number in numbers]


class Prepared:
    """An embedding service that costs nothing: the vectors of the queries are known."""

    def __init__(self) -> None:
        self.vectors: dict[str, Vector] = {}

    def wanted(self) -> Recipe:
        return RECIPE

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        return [self.vectors[text] for text in texts]


class Corpus:
    def __init__(self, pool: Pool, actor: Actor, space: Space) -> None:
        self.pool = pool
        self.actor = actor
        self.space = space
        self.words = Words()
        self.clusters = Clusters()
        self.size = 0

    async def grow(self, size: int) -> tuple[int, float, float]:
        """Index and embed documents until there are so many chunks; return the rate of vectors, and their size."""
        took_s, before = 0.0, self.size
        vectors = PostgresVectors(self.pool)
        while self.size < size:
            await self._add()
            work = await vectors.claim(self.space)
            assert work is not None  # noqa: S101  # it has just been added
            made = [(n, self.clusters.vector()) for n in range(DOCUMENT)]
            began = time.perf_counter()
            await vectors.write(work, made)
            await vectors.finish(work)
            took_s += time.perf_counter() - began
            self.size += DOCUMENT
        await vectors.settle(self.space)
        name = table(self.space.id)
        await self.pool.execute(f"VACUUM ANALYZE postings, indexes, embedded, {name}")
        await self.pool.execute("ANALYZE chunks, documents")
        bytes_: int = await self.pool.fetchval(f"SELECT pg_total_relation_size('{name}')")
        return size, (self.size - before) / took_s, bytes_ / self.size

    async def _add(self) -> None:
        indexes, document_id = PostgresIndexes(self.pool), new_id()
        collection = f"c{self.size // DOCUMENT % COLLECTIONS}"
        await self.pool.execute(ADD, document_id, DEFAULT_WORKSPACE, self.actor.user_id, collection)
        build = await indexes.begin(self.actor, document_id, new_id())
        await indexes.write(build, [*self._chunks(document_id)], progress=1)
        await indexes.finish(build)

    def _chunks(self, document_id: UUID) -> Iterator[Chunk]:
        for n in range(DOCUMENT):
            text = self.words.text(WORDS)
            yield Chunk(
                id=new_id(), document_id=document_id, n=n, text=text, start=0, end=len(text)
            )

    def reaches(self) -> dict[str, Reach]:
        whole = Reach(workspace_id=self.actor.workspace_id, user_id=self.actor.user_id)
        some = Reach(
            workspace_id=self.actor.workspace_id, user_id=self.actor.user_id, collection="c3"
        )
        return {"everything": whole, "a collection": some}


def run(here: Stage) -> None:
    asyncio.run(_run(here, SIZES[:1] if here.quick else SIZES))


def run_many(here: Stage) -> None:
    asyncio.run(_run(here, MANY))


async def _run(here: Stage, sizes: Sequence[int]) -> None:
    pool = await open_pool(Database(url=here.engines.database_url), min_size=2)
    try:
        user_id: UUID = await pool.fetchval("SELECT id FROM users LIMIT 1")
        space = await PostgresVectors(pool).open(RECIPE, WIDTH)
        corpus = Corpus(pool, Actor(user_id, DEFAULT_WORKSPACE, "member"), space)
        built, searched, missed = [], [], []
        for size in sizes:
            built.append(await corpus.grow(size))
            searched += [row async for row in _searched(corpus)]
            missed += [row async for row in _missed(corpus)]
    finally:
        await pool.close()
    show(f"Vectors of {WIDTH} numbers stored and indexed", BUILT, built)
    show(
        f"Search, the best {TOP_K}, one at a time; embedding the query not counted",
        SEARCHED,
        searched,
    )
    show("The index beside comparing all", MISSED, missed)


async def _searched(corpus: Corpus) -> AsyncIterator[Sequence[float | str]]:
    prepared = Prepared()
    search = PassageSearch(PostgresRetrieval(corpus.pool), prepared, NoReranker())
    queries = [corpus.words.text(QUERY_WORDS, rarer_than=20) for _ in range(3 * QUERIES)]
    prepared.vectors = {query: corpus.clusters.vector() for query in queries}
    bare_s, _ = await _timed(lambda _: corpus.pool.fetchval("SELECT 1"), queries)
    modes: tuple[Mode, ...] = ("text", "vector", "hybrid")
    for name, reach in corpus.reaches().items():
        for mode in modes:

            async def ask(query: str, reach: Reach = reach, mode: Mode = mode) -> None:
                found = await search(reach, query, TOP_K, mode)
                assert found.mode == mode  # noqa: S101  # else something else is measured

            p50_s, p99_s = await _timed(ask, queries)
            yield corpus.size, name, mode, p50_s * 1000, p99_s * 1000, p50_s / bare_s


async def _missed(corpus: Corpus) -> AsyncIterator[Sequence[float | str]]:
    exactly, indexed = Nearest(corpus.pool, exact=ALL), Nearest(corpus.pool, exact=0)
    for nearest in (exactly, indexed):
        await nearest.space()
    queries = [corpus.clusters.vector() for _ in range(QUERIES)]
    for name, reach in corpus.reaches().items():
        right: list[set[UUID]] = []
        found: list[set[UUID]] = []
        exact_s, _ = await _timed(_noting(exactly, reach, corpus.space, right), queries)
        p50_s, p99_s = await _timed(_noting(indexed, reach, corpus.space, found), queries)
        hits = sum(len(a & b) for a, b in zip(right, found, strict=True))
        recall = hits / sum(map(len, right))
        yield corpus.size, name, exact_s * 1000, p50_s * 1000, p99_s * 1000, recall


def _noting(
    nearest: Nearest, reach: Reach, space: Space, into: list[set[UUID]]
) -> Callable[[Vector], Awaitable[None]]:
    async def ask(vector: Vector) -> None:
        near = await nearest.find(reach, space, vector, TOP_K)
        into.append({passage.chunk_id for passage in near.items})

    return ask


async def _timed(
    ask: Callable[[T], Awaitable[object]], queries: Sequence[T]
) -> tuple[float, float]:
    """Return the median and the 99th percentile, once the caches are warm."""
    took: list[float] = []
    for query in (*queries[:20], *queries):
        began = time.perf_counter()
        await ask(query)
        took.append(time.perf_counter() - began)
    measured = sorted(took[20:])
    return measured[len(measured) // 2], measured[len(measured) * 99 // 100]
