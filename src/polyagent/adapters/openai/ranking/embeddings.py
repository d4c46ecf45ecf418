"""Vectors of texts, from a service that speaks the OpenAI protocol.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

import asyncio
import math
from collections.abc import Iterator, Sequence

import msgspec

from polyagent.adapters.openai.failures import InputRefused
from polyagent.adapters.openai.ranking.asking import Asking, senseless
from polyagent.domain.context import estimate_tokens
from polyagent.domain.documents.embedding import Recipe, Side, Vector
from polyagent.domain.errors import ContextExceeded, ModelServiceMissing, ModelServiceRefused
from polyagent.settings import EmbeddingService

BATCH_TOKENS = 16_000
RETRIES = 2
SHORTEST = 64
"""A text of so many characters that is refused is not refused for its length."""

MISSING = "No embedding service is configured: set documents.embeddings."


class _Item(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]


class OpenAIEmbeddings:
    """Passages wait for one of the places of `concurrency`; queries never do."""

    def __init__(self, settings: EmbeddingService, asking: Asking) -> None:
        self._settings = settings
        self._asking = asking
        self._places = asyncio.Semaphore(settings.concurrency)

    def wanted(self) -> Recipe | None:
        settings = self._settings
        return Recipe(
            model=settings.model,
            width=settings.width,
            query_prefix=settings.query_prefix,
            passage_prefix=settings.passage_prefix,
        )

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        told = recipe.prefixed(texts, side)
        if side == "query":
            timeout_s = self._settings.query_timeout_s
            return _one_width(await self._ask(recipe, told, timeout_s=timeout_s, retries=0))
        try:
            async with asyncio.TaskGroup() as group:
                batches = [
                    group.create_task(self._placed(recipe, batch))
                    for batch in _batches(told, self._settings.batch)
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return _one_width([vector for batch in batches for vector in batch.result()])

    async def _placed(self, recipe: Recipe, texts: Sequence[str]) -> Sequence[Vector]:
        async with self._places:
            return await self._patient(recipe, texts)

    async def _patient(self, recipe: Recipe, texts: Sequence[str]) -> Sequence[Vector]:
        """Find out which of the texts is refused, and cut it until it is taken."""
        try:
            timeout_s = self._settings.timeout_s
            return await self._ask(recipe, texts, timeout_s=timeout_s, retries=RETRIES)
        except (InputRefused, ContextExceeded) as error:
            if len(texts) > 1:
                half = len(texts) // 2
                first = await self._patient(recipe, texts[:half])
                return [*first, *await self._patient(recipe, texts[half:])]
            return [await self._cut(recipe, texts[0], error)]

    async def _cut(self, recipe: Recipe, text: str, error: ModelServiceRefused) -> Vector:
        if len(text) > SHORTEST:
            (vector,) = await self._patient(recipe, [text[: len(text) // 2]])
            return vector
        if text == recipe.passage_prefix + "a":
            raise error  # it refuses everything
        (proof,) = await self._patient(recipe, [recipe.passage_prefix + "a"])
        return [0.0] * len(proof)

    async def _ask(
        self, recipe: Recipe, texts: Sequence[str], *, timeout_s: float, retries: int
    ) -> Sequence[Vector]:
        body = {"model": recipe.model, "input": texts, "encoding_format": "float"}
        asked = {} if recipe.width is None else {"dimensions": recipe.width}
        post = self._asking.wire.embeddings
        answer = await self._asking.ask(
            post, body | asked, _Answer, timeout_s=timeout_s, retries=retries
        )
        vectors = [_unit(item.embedding) for item in _in_order(answer.data, len(texts))]
        if recipe.width is not None and any(len(vector) != recipe.width for vector in vectors):
            detail = f"The embedding service gives {len(vectors[0])} numbers, not {recipe.width}."
            raise ModelServiceRefused(f"{detail} Leave documents.embeddings.width out.")
        return vectors


class NoEmbeddings:
    def wanted(self) -> Recipe | None:
        return None

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        raise ModelServiceMissing(MISSING)


def _batches(texts: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    batch: list[str] = []
    tokens = 0
    for text in texts:
        size = estimate_tokens(text)
        if batch and (len(batch) == most or tokens + size > BATCH_TOKENS):
            yield batch
            batch, tokens = [], 0
        batch.append(text)
        tokens += size
    if batch:
        yield batch


def _in_order(items: Sequence[_Item], count: int) -> Sequence[_Item]:
    """Some services leave the indexes out; then the order is that of the texts."""
    if len(items) != count:
        raise senseless()
    if all(item.index is None for item in items):
        return items
    by_index = {item.index: item for item in items}
    if set(by_index) != set(range(count)):
        raise senseless()
    return [by_index[n] for n in range(count)]


def _unit(numbers: Vector) -> Vector:
    length = math.hypot(*numbers)
    if not numbers or not math.isfinite(length):
        raise senseless()
    return [number / length for number in numbers] if length else numbers


def _one_width(vectors: Sequence[Vector]) -> Sequence[Vector]:
    if len({len(vector) for vector in vectors}) > 1:
        raise senseless()
    return vectors
