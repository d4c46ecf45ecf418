"""Chunks get vectors: of a document that is being indexed, and of all that lack them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from polyagent.domain.documents.document import Build
from polyagent.domain.documents.embedding import BareChunk, Embedding, Space
from polyagent.domain.errors import Fenced, ModelServiceRefused, PolyAgentError
from polyagent.ports.documents.embeddings import Embeddings
from polyagent.ports.documents.vectors import Vectors

BATCH = 128
WITHIN_S = 60.0
"""So long a document waits to be indexed for its vectors; it gets the others afterwards."""

Tell = Callable[[float], Awaitable[None]]


class EmbedDocuments:
    """Idempotent: whoever does it again, or goes on where another died, asks for no vector that is there."""

    def __init__(self, embeddings: Embeddings, vectors: Vectors) -> None:
        self._embeddings = embeddings
        self._vectors = vectors
        self._space: Space | None = None

    @property
    def is_wanted(self) -> bool:
        return self._embeddings.wanted() is not None

    async def __call__(self) -> bool:
        """Embed one index that lacks vectors, if there is one, else put the wanted space in use.

        Returns whether there was one. Raises `VectorsImpossible`, `StoreUnavailable`, and what
        `Embeddings.embed` raises.
        """
        if (space := await self._wanted()) is None:
            return False
        work = await self._vectors.claim(space)
        if work is not None:
            await self._embed(work, _silent)
        if not await self._vectors.settle(space):
            self._space = None  # whoever wanted another has gone
        return work is not None

    async def build(self, build: Build, tell: Tell) -> None:
        """Embed an index that is not in use yet, as far as it goes now; `tell` is told how far, of 1."""
        try:
            async with asyncio.timeout(WITHIN_S):
                if (space := await self._wanted()) is None:
                    return
                await self._vectors.settle(space)
                if (work := await self._vectors.begin(space, build)) is not None:
                    await self._embed(work, tell)
        except (PolyAgentError, TimeoutError):
            return  # its words are found; `__call__` does what is left

    async def _wanted(self) -> Space | None:
        """Return the space of what is configured; its width is known once something has been embedded."""
        recipe = self._embeddings.wanted()
        if recipe is not None and self._space is None:
            (vector,) = await self._embeddings.embed(recipe, ["a"], "passage")
            self._space = await self._vectors.open(recipe, len(vector))
        return self._space

    async def _embed(self, work: Embedding, tell: Tell) -> None:
        with suppress(Fenced):  # somebody else has taken the index's place
            for start in range(0, work.chunks, BATCH):
                end = min(start + BATCH, work.chunks)
                await self._give(work, await self._vectors.lacking(work, start, end))
                await tell(end / work.chunks)
            await self._vectors.finish(work)

    async def _give(self, work: Embedding, chunks: Sequence[BareChunk]) -> None:
        if not chunks:
            return
        texts = [*{chunk.text: None for chunk in chunks}]
        recipe = work.space.recipe
        vectors = dict(
            zip(texts, await self._embeddings.embed(recipe, texts, "passage"), strict=True)
        )
        if any(len(vector) != work.space.width for vector in vectors.values()):
            self._space = None  # the service has another model by this name
            raise ModelServiceRefused(
                "The embedding service gives vectors of another width by now."
            )
        await self._vectors.write(work, [(chunk.n, vectors[chunk.text]) for chunk in chunks])


async def _silent(_: float) -> None: ...
