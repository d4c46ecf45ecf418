"""What it costs to find a passage among so many chunks, beside a bare query of the same server."""

import asyncio
import bisect
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from uuid import UUID

import msgspec

from bench.stage import Stage
from bench.table import show
from polyagent.adapters.postgres.documents.indexes import PostgresIndexes
from polyagent.adapters.postgres.documents.retrieval import PostgresRetrieval
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.documents.document import Chunk
from polyagent.domain.documents.retrieval import Reach
from polyagent.domain.documents.terms import query_terms
from polyagent.domain.ids import new_id
from polyagent.settings import Database

SIZES = (1_000, 100_000)
MANY = 500_000
DOCUMENT = 50
"""Chunks of a document."""
WORDS = 120
VOCABULARY = 60_000
QUERY_WORDS = 5
QUERIES = 300
TOP_K = 10
COLLECTIONS = 10
SHARING = 100
"""Users who have shared one document in five."""
COLUMNS = ("chunks", "search", "p50 ms", "p99 ms", "times SELECT 1", "found")
BUILT = ("chunks", "chunks/s", "bytes of postings a chunk")

ADD = """
INSERT INTO documents (id, workspace_id, user_id, filename, content_type, size_bytes, sha256, blob,
    collection, visibility)
SELECT $1, $2, $3, 'bench.txt', 'text/plain', 1, $1::uuid::text, $1::uuid::text, $4, $5
"""
JOIN = """
INSERT INTO users (id, workspace_id, username, email, role, password_hash)
SELECT id, $2, id::text, id::text, 'member', '' FROM unnest($1::uuid[]) AS id
"""
SOME = "SELECT id FROM documents WHERE user_id = $1 LIMIT 20"
SIZE = "SELECT pg_total_relation_size('postings')"

Search = Callable[[str], Awaitable[int]]


class Words:
    """Words by Zipf's law, always the same ones."""

    def __init__(self) -> None:
        self._random = random.Random(6)  # noqa: S311  # a corpus, no secret
        letters = "bcdfghklmnprstvz"
        syllables = [c + v for c in letters for v in "aeiou"]
        self._words = [
            "".join(each)
            for each in itertools.islice(itertools.product(syllables, repeat=3), VOCABULARY)
        ]
        self._random.shuffle(self._words)
        weights = (1 / (rank + 3) for rank in range(VOCABULARY))
        self._sums = list(itertools.accumulate(weights))

    def text(self, count: int, *, rarer_than: int = 0) -> str:
        return " ".join(self._word(rarer_than) for _ in range(count))

    def _word(self, rarer_than: int) -> str:
        least = self._sums[rarer_than]
        at = self._random.uniform(least, self._sums[-1])
        return self._words[min(bisect.bisect(self._sums, at), VOCABULARY - 1)]


class Readers(msgspec.Struct, frozen=True):
    """`owner` has four of five documents, `sharing` the others, and `stranger` has none."""

    owner: UUID
    sharing: Sequence[UUID]
    stranger: UUID

    def of(self, document: int) -> tuple[UUID, str]:
        if document % 5:
            return self.owner, "private"
        return self.sharing[document // 5 % len(self.sharing)], "shared"


def run(here: Stage) -> None:
    asyncio.run(_run(here, SIZES[:1] if here.quick else SIZES))


def run_many(here: Stage) -> None:
    asyncio.run(_run(here, (MANY,)))


async def _run(here: Stage, sizes: Sequence[int]) -> None:
    pool = await open_pool(Database(url=here.engines.database_url), min_size=2)
    try:
        words, built, rows = Words(), [], []
        readers = await _readers(pool)
        have = 0
        for size in sizes:
            built.append((size, *await _grow(pool, readers, words, have, size)))
            have = size
            rows += [row async for row in _measured(pool, readers, words, size)]
    finally:
        await pool.close()
    show("Documents indexed, the terms of their chunks counted and stored", BUILT, built)
    show(f"Search, the best {TOP_K} for {QUERY_WORDS} words, one at a time", COLUMNS, rows)


async def _readers(pool: Pool) -> Readers:
    owner: UUID = await pool.fetchval("SELECT id FROM users LIMIT 1")
    others = [new_id() for _ in range(SHARING + 1)]
    await pool.execute(JOIN, others, DEFAULT_WORKSPACE)
    return Readers(owner, others[:-1], others[-1])


async def _grow(
    pool: Pool, readers: Readers, words: Words, have: int, want: int
) -> tuple[float, float]:
    """Index documents until there are so many chunks; return the rate, and what a chunk takes."""
    indexes = PostgresIndexes(pool)
    began = time.perf_counter()
    for n in range(have // DOCUMENT, want // DOCUMENT):
        document_id = new_id()
        user_id, visibility = readers.of(n)
        of_whom = (DEFAULT_WORKSPACE, user_id, f"c{n % COLLECTIONS}", visibility)
        await pool.execute(ADD, document_id, *of_whom)
        build = await indexes.begin(
            Actor(user_id, DEFAULT_WORKSPACE, "member"), document_id, new_id()
        )
        await indexes.write(build, [*_chunks(words, document_id)], progress=1)
        await indexes.finish(build)
    rate = (want - have) / (time.perf_counter() - began)
    await pool.execute("VACUUM ANALYZE postings")
    await pool.execute("ANALYZE indexes, chunks, documents")
    return rate, await pool.fetchval(SIZE) / want


def _chunks(words: Words, document_id: UUID) -> Iterator[Chunk]:
    for n in range(DOCUMENT):
        text = words.text(WORDS)
        yield Chunk(id=new_id(), document_id=document_id, n=n, text=text, start=0, end=len(text))


async def _measured(
    pool: Pool, readers: Readers, words: Words, size: int
) -> AsyncIterator[Sequence[float | str]]:
    queries = [words.text(QUERY_WORDS, rarer_than=20) for _ in range(QUERIES)]
    bare_s, _, _ = await _timed(_bare(pool), queries)
    whole = Reach(workspace_id=DEFAULT_WORKSPACE, user_id=readers.owner)
    some = [row["id"] for row in await pool.fetch(SOME, readers.owner)]
    reaches = {
        "everything": whole,
        "what 100 shared": msgspec.structs.replace(whole, user_id=readers.stranger),
        "a collection": msgspec.structs.replace(whole, collection="c3"),
        "20 documents": msgspec.structs.replace(whole, document_ids=tuple(some)),
    }
    for name, reach in reaches.items():
        p50_s, p99_s, found = await _timed(_search(pool, reach), queries)
        yield (size, name, p50_s * 1000, p99_s * 1000, p50_s / bare_s, found)


def _bare(pool: Pool) -> Search:
    async def ask(_: str) -> int:
        one: int = await pool.fetchval("SELECT 1")
        return one

    return ask


def _search(pool: Pool, reach: Reach) -> Search:
    retrieval = PostgresRetrieval(pool)

    async def ask(query: str) -> int:
        return len(await retrieval.by_terms(reach, query_terms(query), TOP_K))

    return ask


async def _timed(search: Search, queries: Sequence[str]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile, and how many were found on average."""
    took: list[float] = []
    found = 0
    for query in (*queries[:20], *queries):  # the first ones warm the caches
        began = time.perf_counter()
        count = await search(query)
        took.append(time.perf_counter() - began)
        found += count
    measured = sorted(took[20:])
    return measured[len(measured) // 2], measured[len(measured) * 99 // 100], found / len(took)
