"""Vectors from a service that does it right, that fails, and that gets it wrong."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from polyagent.adapters.openai.ranking.asking import Asking
from polyagent.adapters.openai.ranking.embeddings import OpenAIEmbeddings
from polyagent.domain.documents.embedding import Recipe, cosine
from polyagent.domain.errors import (
    ModelServiceRefused,
    ModelServiceUnavailable,
    ModelUnknown,
)
from polyagent.settings import Ai, EmbeddingService
from tests.model_service import Meanings, ModelService
from tests.model_service.meanings import vector_of
from tests.openai.caller import HastyClock

RECIPE = Recipe(model="meanings")


@asynccontextmanager
async def embeddings(meanings: Meanings, **settings: Any) -> AsyncIterator[OpenAIEmbeddings]:
    async with ModelService(meanings=meanings, key="k") as service:
        asking = Asking(Ai(url=service.url, key="k"), HastyClock())
        yield OpenAIEmbeddings(EmbeddingService(model="meanings", **settings), asking)
        await asking.wire.aclose()


async def test_each_text_has_its_vector_of_length_one() -> None:
    async with embeddings(Meanings(width=8)) as service:
        vectors = await service.embed(RECIPE, ["car", "automobile", "tree"], "passage")

    assert [len(vector) for vector in vectors] == [8, 8, 8]
    assert all(math.isclose(math.hypot(*vector), 1) for vector in vectors)
    assert cosine(vectors[0], vectors[1]) > 0.99 > cosine(vectors[0], vectors[2])


async def test_batches_are_no_larger_than_they_may_be() -> None:
    meanings = Meanings()
    async with embeddings(meanings, batch=3, concurrency=4) as service:
        texts = [f"text {n}" for n in range(8)]
        vectors = await service.embed(RECIPE, texts, "passage")

    assert sorted(len(body["input"]) for body in meanings.bodies) == [2, 3, 3]
    assert [cosine(a, vector_of(b)) for a, b in zip(vectors, texts, strict=True)] == [
        pytest.approx(1) for _ in texts
    ]


async def test_long_texts_make_small_batches() -> None:
    meanings = Meanings()
    async with embeddings(meanings, batch=100) as service:
        await service.embed(RECIPE, ["word " * 8000] * 3, "passage")

    assert [len(body["input"]) for body in meanings.bodies] == [1, 1, 1]


async def test_the_service_is_told_what_the_recipe_says() -> None:
    meanings = Meanings()
    recipe = Recipe(
        model="e5", width=16, query_prefix="query: ", passage_prefix="passage: ", query_type="query"
    )
    async with embeddings(meanings) as service:
        await service.embed(recipe, ["a"], "query")
        await service.embed(recipe, ["b"], "passage")

    asked, told = meanings.bodies
    assert asked == {
        "model": "e5",
        "input": ["query: a"],
        "encoding_format": "float",
        "dimensions": 16,
        "input_type": "query",
    }
    assert (told["input"], "input_type" in told) == (["passage: b"], False)


@pytest.mark.parametrize("does", ["backwards", "unnumbered"])
async def test_vectors_come_in_the_order_of_the_texts(does: str) -> None:
    meanings = Meanings()
    meanings.does.append(does)
    async with embeddings(meanings) as service:
        first, second = await service.embed(RECIPE, ["one", "two"], "passage")

    assert cosine(first, vector_of("one")) == pytest.approx(1)
    assert cosine(second, vector_of("two")) == pytest.approx(1)


@pytest.mark.parametrize(
    "does", ["twice", "one less", "ragged", "empty", "null", "huge", "html", "nan"]
)
async def test_what_makes_no_sense_is_no_answer(does: str) -> None:
    meanings = Meanings()
    meanings.does.extend([does] * 3)
    async with embeddings(meanings) as service:
        with pytest.raises(ModelServiceUnavailable):
            await service.embed(RECIPE, ["one", "two"], "passage")


@pytest.mark.parametrize("does", [500, 429, "html"])
async def test_passages_are_asked_for_again(does: int | str) -> None:
    meanings = Meanings()
    meanings.does.extend([does, does])
    async with embeddings(meanings) as service:
        assert len(await service.embed(RECIPE, ["one"], "passage")) == 1


async def test_a_query_is_asked_once() -> None:
    meanings = Meanings()
    meanings.does.append(500)
    async with embeddings(meanings) as service:
        with pytest.raises(ModelServiceUnavailable):
            await service.embed(RECIPE, ["one"], "query")

    assert len(meanings.bodies) == 1


@pytest.mark.parametrize("side", ["query", "passage"])
async def test_a_text_that_is_too_long_is_cut_and_the_others_are_whole(side: Any) -> None:
    meanings = Meanings(longest=100)
    async with embeddings(meanings) as service:
        texts = ["short", "long " * 50, "also short"]
        vectors = await service.embed(RECIPE, texts, side)

    assert cosine(vectors[0], vector_of("short")) == pytest.approx(1)
    assert cosine(vectors[1], vector_of("long")) > 0.8
    assert cosine(vectors[2], vector_of("also short")) == pytest.approx(1)


async def test_a_text_that_is_taken_in_no_length_is_near_to_nothing() -> None:
    meanings = Meanings(longest=5)
    async with embeddings(meanings) as service:
        (vector,) = await service.embed(RECIPE, ["impossible"], "passage")

    assert not any(vector)


@pytest.mark.parametrize(
    ("status", "error"), [(401, ModelServiceRefused), (404, ModelServiceRefused)]
)
async def test_a_refusal_that_is_not_about_the_texts_is_believed_at_once(
    status: int, error: type[Exception]
) -> None:
    meanings = Meanings()
    meanings.does.append(status)
    async with embeddings(meanings) as service:
        with pytest.raises(error):
            await service.embed(RECIPE, ["one", "two"], "passage")

    assert len(meanings.bodies) == 1


async def test_a_service_that_refuses_everything_makes_no_zeros() -> None:
    meanings = Meanings(longest=0)
    async with embeddings(meanings) as service:
        with pytest.raises(ModelServiceRefused):
            await service.embed(RECIPE, ["one", "two"], "passage")


async def test_a_model_that_is_unknown_is_told() -> None:
    async with embeddings(Meanings(models=("other",))) as service:
        with pytest.raises(ModelUnknown):
            await service.embed(RECIPE, ["one"], "passage")


async def test_a_width_that_the_service_ignores_is_told() -> None:
    meanings = Meanings()
    meanings.does.append("ragged")
    async with embeddings(meanings) as service:
        with pytest.raises(ModelServiceRefused, match="width"):
            await service.embed(Recipe(model="meanings", width=9), ["one"], "passage")
