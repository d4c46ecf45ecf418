"""Documents that are found by meaning, from the upload on, over HTTP and a real embedding service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from polyagent.domain.documents.retrieval import EMBEDDINGS_AWAY, NO_SPACE, RERANKER_AWAY
from polyagent.settings import Documents, EmbeddingService, RerankService
from polyagent.usecases.documents.embed import EmbedDocuments
from tests.api.house import House, in_one_task
from tests.api.test_documents import DOCUMENTS, at_work, lived_in, settled, uploads
from tests.model_service import Meanings, ModelService

SEARCH = "/api/v1/documents/search"


class Town:
    def __init__(self, house: House, service: ModelService) -> None:
        assert service.meanings is not None
        self.house = house
        self.meanings = service.meanings

    async def puts(self, text: str, **fields: Any) -> Any:
        answer = await uploads(self.house.ann, file=("a.txt", text.encode()), **fields)
        return await settled(self.house.ann, answer.json)

    async def asks(self, query: str, **more: Any) -> Any:
        answer = await self.house.ann.post(SEARCH, {"query": query, **more})
        assert answer.status == 200, answer.json
        return answer.json

    async def embeds(self) -> None:
        embed = await self.house.container.get(EmbedDocuments)
        while await embed():
            pass


@asynccontextmanager
async def town(*, judged: bool = False) -> AsyncIterator[Town]:
    async with ModelService(meanings=Meanings(), key="sk-embed") as service:
        documents = Documents(
            embeddings=EmbeddingService(model="meanings", url=service.url, key="sk-embed"),
            rerank=RerankService(model="judge", url=service.url, key="sk-embed")
            if judged
            else None,
        )
        async with in_one_task(lived_in(documents)) as house, at_work(house):
            yield Town(house, service)


@pytest.fixture
async def here() -> AsyncIterator[Town]:
    async with town() as here:
        yield here


async def test_what_was_uploaded_is_found_by_what_it_means(here: Town) -> None:
    document = await here.puts("He saw a physician yesterday.")
    await here.puts("Trees are green in spring.")

    words = await here.asks("doctor", mode="text")
    found = {mode: await here.asks("doctor", mode=mode, top_k=1) for mode in ("hybrid", "vector")}

    assert (document["status"], document["progress"]) == ("indexed", 1)
    assert words["items"] == []
    for mode, answer in found.items():
        assert [each["document_id"] for each in answer["items"]] == [document["id"]]
        assert (answer["mode"], answer["note"]) == (mode, None)


async def test_a_document_is_indexed_without_the_service_and_embedded_later(here: Town) -> None:
    here.meanings.does.extend([500] * 3)
    document = await here.puts("He saw a physician yesterday.")
    before = await here.asks("physician")

    await here.embeds()
    after = await here.asks("doctor")

    assert document["status"] == "indexed"
    assert (len(before["items"]), before["mode"], before["note"]) == (1, "text", NO_SPACE)
    assert (len(after["items"]), after["mode"], after["note"]) == (1, "hybrid", None)


@pytest.mark.parametrize("does", [500, 401, 404, "html", "empty", "null"])
@pytest.mark.parametrize("mode", ["hybrid", "vector"])
async def test_a_search_whose_service_fails_is_by_words(
    here: Town, does: int | str, mode: str
) -> None:
    await here.puts("He saw a physician yesterday.")
    here.meanings.does.append(does)

    answer = await here.asks("physician", mode=mode)

    assert (len(answer["items"]), answer["mode"]) == (1, "text")
    assert answer["note"] == EMBEDDINGS_AWAY


async def test_indexing_again_asks_for_no_vector_again(here: Town) -> None:
    document = await here.puts("He saw a physician yesterday.")
    before = here.meanings.texts.total()

    await here.house.ann.post(f"{DOCUMENTS}/index", {})
    await settled(here.house.ann, document)

    assert here.meanings.texts.total() == before
    assert len((await here.asks("doctor"))["items"]) == 1


async def test_nobody_finds_what_another_keeps_to_himself(here: Town) -> None:
    await here.puts("He saw a physician yesterday.")
    shown = await here.puts("She is a physician.", visibility="shared")

    answer = await here.house.bob.post(SEARCH, {"query": "doctor"})

    assert [each["document_id"] for each in answer.json["items"]] == [shown["id"]]


async def test_a_service_judges_what_was_found() -> None:
    async with town(judged=True) as here:
        await here.puts("One doctor, and many other words of quite another kind.")
        best = await here.puts("A physician.")

        judged = await here.asks("doctor", top_k=1)
        here.meanings.does.extend([200, 500])
        unjudged = await here.asks("doctors", top_k=1)

    assert [each["document_id"] for each in judged["items"]] == [best["id"]]
    assert (unjudged["mode"], unjudged["note"]) == ("hybrid", RERANKER_AWAY)
