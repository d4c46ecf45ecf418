"""Vectors of texts, from a service that speaks the OpenAI protocol.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from polyagent.adapters.openai.failures import InputRefused, wire_errors
from polyagent.adapters.openai.ranking.asking import Asking, senseless
from polyagent.domain.context import estimate_tokens
from polyagent.domain.documents.embedding import Recipe, Side, Vector
from polyagent.domain.errors import ContextExceeded, ModelServiceMissing, ModelServiceRefused
from polyagent.settings import EmbeddingService

BATCH_TOKENS = 16_000
RETRIES = 2
SHORTEST = 64
"""A text of so many characters that is refused is not refused for its length."""

PROOF = "a"
"""What a service takes that takes anything."""

MISSING = "No embedding service is configured: set documents.embeddings."


class _Item(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]


class _Way(msgspec.Struct, frozen=True):
    recipe: Recipe
    side: Side
    timeout_s: float
    retries: int

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        told = {"dimensions": self.recipe.width, "input_type": self.recipe.input_type(self.side)}
        return {
            "model": self.recipe.model,
            "input": texts,
            "encoding_format": "float",
            **{name: value for name, value in told.items() if value is not None},
        }


class OpenAIEmbeddings:
    """Passages wait for one of the places of `concurrency`; queries never do."""

    def __init__(self, settings: EmbeddingService, asking: Asking) -> None:
        self._settings = settings
        self._asking = asking
        self._places = asyncio.Semaphore(settings.concurrency)

    def wanted(self) -> Recipe | None:
        return msgspec.convert(self._settings, Recipe, from_attributes=True)

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        told = recipe.prefixed(texts, side)
        vectors = await (self._quickly if side == "query" else self._all)(recipe, told)
        widths = {len(vector) for vector in vectors}
        if recipe.width is not None and widths - {recipe.width}:
            raise ModelServiceRefused(
                "The embedding service gives vectors of its own width: leave"
                " documents.embeddings.width out."
            )
        if len(widths) > 1:
            raise senseless()
        return vectors

    async def _quickly(self, recipe: Recipe, texts: Sequence[str]) -> Sequence[Vector]:
        limit_s = self._settings.query_timeout_s
        way = _Way(recipe, "query", limit_s, 0)
        with wire_errors():
            async with asyncio.timeout(limit_s):
                return await self._patient(way, texts)

    async def _all(self, recipe: Recipe, texts: Sequence[str]) -> Sequence[Vector]:
        way = _Way(recipe, "passage", self._settings.timeout_s, RETRIES)
        try:
            async with asyncio.TaskGroup() as group:
                batches = [
                    group.create_task(self._placed(way, batch))
                    for batch in _batches(texts, self._settings.batch)
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return [vector for batch in batches for vector in batch.result()]

    async def _placed(self, way: _Way, texts: Sequence[str]) -> Sequence[Vector]:
        async with self._places:
            return await self._patient(way, texts)

    async def _patient(self, way: _Way, texts: Sequence[str]) -> Sequence[Vector]:
        """Find out which of the texts is refused, and cut it until it is taken."""
        try:
            return await self._ask(way, texts)
        except (InputRefused, ContextExceeded) as error:
            if len(texts) == 1:
                return [await self._cut(way, texts[0], error)]
            half = len(texts) // 2
            first = await self._patient(way, texts[:half])
            return [*first, *await self._patient(way, texts[half:])]

    async def _cut(self, way: _Way, text: str, error: ModelServiceRefused) -> Vector:
        if len(text) > SHORTEST:
            (vector,) = await self._patient(way, [text[: len(text) // 2]])
            return vector
        if text == PROOF:
            raise error  # it takes nothing at all
        (vector,) = await self._patient(way, [PROOF])
        return [0.0] * len(vector)

    async def _ask(self, way: _Way, texts: Sequence[str]) -> Sequence[Vector]:
        answer = await self._asking.ask(
            self._asking.wire.embeddings,
            way.body(texts),
            _Answer,
            timeout_s=way.timeout_s,
            retries=way.retries,
        )
        return [_unit(item.embedding) for item in _in_order(answer.data, len(texts))]


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
