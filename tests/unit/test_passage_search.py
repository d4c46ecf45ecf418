"""What a search finds with the services of documents, and without one that it should have."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from polyagent.adapters.memory.documents.documents import MemoryIndexes
from polyagent.adapters.memory.documents.retrieval import MemoryRetrieval
from polyagent.adapters.memory.documents.vectors import MemoryVectors
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.openai.ranking.reranker import NoReranker
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.documents.document import Chunk, Document
from polyagent.domain.documents.embedding import Recipe, Side, Space, Vector
from polyagent.domain.documents.retrieval import (
    EMBEDDINGS_AWAY,
    NO_SPACE,
    PARTLY_EMBEDDED,
    RERANKER_AWAY,
    FoundPassages,
    Mode,
    Near,
    Reach,
)
from polyagent.domain.errors import (
    ModelServiceRefused,
    ModelServiceUnavailable,
    NotSupported,
    SpaceGone,
    StoreUnavailable,
    VectorsImpossible,
)
from polyagent.domain.ids import new_id
from polyagent.usecases.documents.embed import EmbedDocuments
from polyagent.usecases.documents.passage_search import PassageSearch
from polyagent.usecases.documents.search import reach_of
from tests.searching import Meaning, by_words

TEXTS = ("Trees are green.", "He saw a physician.", "The doctor of philosophy reads.", "Bees fly.")


class Judge:
    """Likes the longest text best."""

    def __init__(self) -> None:
        self.away = False
        self.leaves_out = 0
        self.told: Sequence[str] = ()

    def most(self) -> int:
        return 3

    async def rank(self, query: str, texts: Sequence[str]) -> Sequence[tuple[int, float]]:
        self.told = texts
        if self.away:
            raise ModelServiceUnavailable("It is away.")
        ranked = ((n, float(len(text))) for n, text in enumerate(texts))
        return sorted(ranked, key=lambda p: -p[1])[: len(texts) - self.leaves_out]


class Silent(Meaning):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


class Retrieval(MemoryRetrieval):
    """Fails at vectors when a test says so."""

    fails: Exception | None = None

    async def by_vector(self, reach: Reach, space: Space, vector: Vector, top_k: int) -> Near:
        if self.fails is not None:
            raise self.fails
        return await super().by_vector(reach, space, vector, top_k)


class Desk:
    def __init__(self) -> None:
        self.state = State()
        self.ann = Actor(new_id(), DEFAULT_WORKSPACE, "member")
        self.bob = Actor(new_id(), DEFAULT_WORKSPACE, "member")
        self.meaning = Meaning()
        self.judge = Judge()
        self.retrieval = Retrieval(self.state)
        self.vectors = MemoryVectors(self.state, SystemClock())
        self.search = PassageSearch(self.retrieval, self.meaning, NoReranker())
        self.judged = PassageSearch(self.retrieval, self.meaning, self.judge)

    async def puts(self, *texts: str, **changes: Any) -> None:
        clock = SystemClock()
        document = Document(
            id=new_id(),
            workspace_id=self.ann.workspace_id,
            owner_id=self.ann.user_id,
            filename="a.txt",
            content_type="text/plain",
            size_bytes=1,
            sha256=new_id().hex,
            created_at=clock.now(),
            **changes,
        )
        async with MemoryStore(self.state, clock).begin(self.ann) as tx:
            await tx.documents.add(document, "blob", most_bytes=100)
        indexes = MemoryIndexes(self.state, clock)
        build = await indexes.begin(self.ann, document.id, new_id())
        chunks = [
            Chunk(id=new_id(), document_id=document.id, n=n, text=text, start=0, end=1)
            for n, text in enumerate(texts)
        ]
        await indexes.write(build, chunks, progress=1)
        await indexes.finish(build)

    async def embeds(self) -> None:
        embed = EmbedDocuments(self.meaning, self.vectors)
        while await embed():
            pass

    async def asks(self, query: str, mode: Mode = "hybrid", *, top_k: int = 3) -> FoundPassages:
        return await self.search(reach_of(self.ann, None, None), query, top_k, mode)


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.puts(*TEXTS)
    await desk.embeds()
    return desk


def texts(found: FoundPassages) -> list[str]:
    return [passage.text for passage in found.items]


async def test_words_and_meaning_find_together_what_neither_finds_first_alone(desk: Desk) -> None:
    words = await desk.asks("doctor reads", "text")
    meaning = await desk.asks("doctor reads", "vector")
    both = await desk.asks("doctor reads", "hybrid")

    assert texts(words) == [TEXTS[2]]
    assert set(texts(meaning)[:2]) == set(TEXTS[1:3])
    assert texts(both)[:1] == [TEXTS[2]]
    assert TEXTS[1] in texts(both)
    assert [(each.mode, each.note) for each in (words, meaning, both)] == [
        *(("text", None), ("vector", None), ("hybrid", None))
    ]


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
@pytest.mark.parametrize(
    "error", [ModelServiceUnavailable("It is away."), ModelServiceRefused("Wrong key.")]
)
async def test_words_are_searched_where_the_service_gives_no_answer(
    desk: Desk, mode: Mode, error: Any
) -> None:
    desk.meaning.away = error

    found = await desk.asks("doctor", mode)

    assert (texts(found), found.mode, found.note) == ([TEXTS[2]], "text", EMBEDDINGS_AWAY)


@pytest.mark.parametrize("error", [SpaceGone("It was replaced."), StoreUnavailable("Away.")])
async def test_words_are_searched_where_vectors_cannot_be(desk: Desk, error: Exception) -> None:
    desk.retrieval.fails = error

    found = await desk.asks("doctor")

    assert (texts(found), found.mode, found.note) == ([TEXTS[2]], "text", EMBEDDINGS_AWAY)


async def test_a_note_says_what_the_database_lacks(desk: Desk) -> None:
    desk.retrieval.fails = VectorsImpossible("The database has no pgvector.")

    found = await desk.asks("doctor")

    assert found.note is not None
    assert "no pgvector" in found.note


async def test_before_anything_is_embedded_words_are_searched() -> None:
    desk = Desk()
    await desk.puts(*TEXTS)

    found = await desk.asks("doctor")

    assert (texts(found), found.mode, found.note) == ([TEXTS[2]], "text", NO_SPACE)


async def test_a_note_says_that_some_documents_are_not_embedded(desk: Desk) -> None:
    await desk.puts("A new doctor.")

    found = await desk.asks("doctor")

    assert (found.mode, found.note) == ("hybrid", PARTLY_EMBEDDED)
    assert "A new doctor." in texts(found)


async def test_a_model_of_another_width_is_noticed(desk: Desk) -> None:
    desk.meaning.width = 5

    found = await desk.asks("doctor")

    assert found.mode == "text"
    assert found.note is not None
    assert "width" in found.note


async def test_without_a_service_vectors_are_not_supported(desk: Desk) -> None:
    search = by_words(desk.retrieval)
    reach = reach_of(desk.ann, None, None)

    found = await search(reach, "doctor", 3, "hybrid")
    with pytest.raises(NotSupported):
        await search(reach, "doctor", 3, "vector")

    assert (found.mode, texts(found)) == ("text", [TEXTS[2]])


async def test_a_query_is_embedded_once_for_each_user(desk: Desk) -> None:
    for actor in (desk.ann, desk.ann, desk.bob):
        await desk.search(reach_of(actor, None, None), "doctor", 3, "hybrid")

    assert desk.meaning.texts["doctor"] == 2


async def test_a_search_that_is_cancelled_leaves_nothing_behind(desk: Desk) -> None:
    before, silent = len(asyncio.all_tasks()), Silent()
    search = PassageSearch(desk.retrieval, silent, NoReranker())
    reach = reach_of(desk.ann, None, None)
    asking = asyncio.create_task(search(reach, "doctor", 3, "hybrid"))
    await silent.asked.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) == before


async def test_a_judge_puts_the_first_in_its_order(desk: Desk) -> None:
    found = await desk.judged(reach_of(desk.ann, None, None), "doctor", 2, "hybrid")

    assert len(desk.judge.told) == 3
    assert texts(found) == [TEXTS[2], TEXTS[1]]
    assert [passage.score for passage in found.items] == [len(TEXTS[2]), len(TEXTS[1])]


@pytest.mark.parametrize("leaves_out", [0, 2, 3])
async def test_what_no_judge_sees_comes_behind(desk: Desk, leaves_out: int) -> None:
    desk.judge.leaves_out = leaves_out

    found = await desk.judged(reach_of(desk.ann, None, None), "doctor", 10, "hybrid")

    scores = [passage.score for passage in found.items]
    assert sorted(texts(found)) == sorted(TEXTS)
    assert scores == sorted(scores, reverse=True)


async def test_without_the_judge_the_order_stays_and_a_note_says_so(desk: Desk) -> None:
    before = await desk.asks("doctor", top_k=2)
    desk.judge.away = True

    found = await desk.judged(reach_of(desk.ann, None, None), "doctor", 2, "hybrid")

    assert (found.items, found.mode, found.note) == (before.items, "hybrid", RERANKER_AWAY)
