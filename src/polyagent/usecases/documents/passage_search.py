"""Searching documents by words and by meaning at once, whoever asks: a client, a model, an agent's question."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from polyagent.domain.documents.embedding import Recipe, Space, Vector
from polyagent.domain.documents.fusion import fused
from polyagent.domain.documents.retrieval import (
    EMBEDDINGS_AWAY,
    NO_EMBEDDINGS,
    NO_SPACE,
    PARTLY_EMBEDDED,
    RERANKER_AWAY,
    FoundPassages,
    Mode,
    Near,
    Passage,
    Reach,
)
from polyagent.domain.documents.terms import query_terms
from polyagent.domain.errors import Fault, NotSupported, PolyAgentError, VectorsImpossible
from polyagent.ports.documents.embeddings import Embeddings, Reranker
from polyagent.ports.documents.retrieval import Retrieval

DEPTH = 50
"""So many passages of each ranking are fused, and ranked again, at least."""
REMEMBERED = 512


class PassageSearch:
    """Remembers the vectors of the last queries, of each user by itself."""

    def __init__(self, retrieval: Retrieval, embeddings: Embeddings, reranker: Reranker) -> None:
        self.retrieval = retrieval
        self._embeddings = embeddings
        self._reranker = reranker
        self._remembered: OrderedDict[tuple[UUID, Recipe, str], Vector] = OrderedDict()

    async def __call__(self, reach: Reach, query: str, top_k: int, mode: Mode) -> FoundPassages:
        """Search as the mode says, and by words where there are no vectors: then the note says why.

        Raises `NotSupported` if the mode is `vector` and no service is configured, `StoreUnavailable`.
        """
        if mode == "text":
            return FoundPassages(items=await self._by_words(reach, query, top_k), mode=mode)
        if self._embeddings.wanted() is None:
            if mode == "vector":
                raise NotSupported(NO_EMBEDDINGS, faults=(Fault("#/mode", NO_EMBEDDINGS),))
            found = FoundPassages(
                items=await self._by_words(reach, query, self._depth(top_k)),
                mode="text",
                note=NO_EMBEDDINGS,
            )
        elif mode == "vector":
            return await self._by_meaning(reach, query, top_k)
        else:
            found = await self._by_both(reach, query, self._depth(top_k))
        return await self._ranked(found, query, top_k)

    async def _by_words(self, reach: Reach, query: str, top_k: int) -> Sequence[Passage]:
        return await self.retrieval.by_terms(reach, query_terms(query), top_k)

    async def _by_meaning(self, reach: Reach, query: str, top_k: int) -> FoundPassages:
        near = await self._near(reach, query, top_k)
        if isinstance(near, str):
            items = await self._by_words(reach, query, top_k)
            return FoundPassages(items=items, mode="text", note=near)
        return FoundPassages(items=near.items, mode="vector", note=_note(near))

    async def _by_both(self, reach: Reach, query: str, top_k: int) -> FoundPassages:
        nearing = asyncio.create_task(self._near(reach, query, top_k))
        try:
            words = await self._by_words(reach, query, top_k)
            near = await nearing
        finally:
            nearing.cancel()
        if isinstance(near, str):
            return FoundPassages(items=words, mode="text", note=near)
        return FoundPassages(items=fused(words, near.items), mode="hybrid", note=_note(near))

    async def _near(self, reach: Reach, query: str, top_k: int) -> Near | str:
        """Return what is near to a query, or a note why that is not known now."""
        try:
            space = await self.retrieval.space()
            if space is None:
                return NO_SPACE
            vector = await self._vector(reach.user_id, space, query)
            return await self.retrieval.by_vector(reach, space, vector, top_k)
        except VectorsImpossible as error:
            return f"Documents are found by their words: {error.detail}"
        except PolyAgentError:
            return EMBEDDINGS_AWAY

    async def _vector(self, user_id: UUID, space: Space, query: str) -> Vector:
        key = (user_id, space.recipe, query)
        if (known := self._remembered.get(key)) is not None:
            self._remembered.move_to_end(key)
            return known
        (vector,) = await self._embeddings.embed(space.recipe, [query], "query")
        if len(vector) != space.width:
            raise VectorsImpossible("the embedding service gives vectors of another width.")
        self._remembered[key] = vector
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return vector

    def _depth(self, top_k: int) -> int:
        return max(top_k, DEPTH, self._reranker.most())

    async def _ranked(self, found: FoundPassages, query: str, top_k: int) -> FoundPassages:
        """Return the best of what was found, in the order of the reranking service if there is one.

        What it was not told of, or left out, comes behind, with the score of the last that it judged.
        """
        most = self._reranker.most()
        if not most or not found.items:
            return replace(found, items=found.items[:top_k])
        first = found.items[:most]
        try:
            ranked = await self._reranker.rank(query, [passage.text for passage in first])
        except PolyAgentError:
            note = " ".join(filter(None, (found.note, RERANKER_AWAY)))
            return replace(found, items=found.items[:top_k], note=note)
        judged = {place: replace(first[place], score=score) for place, score in ranked}
        last = ranked[-1][1] if ranked else 0.0
        others = (replace(p, score=last) for n, p in enumerate(found.items) if n not in judged)
        return replace(found, items=[*judged.values(), *others][:top_k])


def _note(near: Near) -> str | None:
    return None if near.is_whole else PARTLY_EMBEDDED
