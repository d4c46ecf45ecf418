from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from polyagent.domain.documents.embedding import Space, Vector
from polyagent.domain.documents.retrieval import Near, Passage, Reach


class Retrieval(Protocol):
    """Finds chunks of indexed documents. What is outside a reach is neither found, nor does it weigh."""

    async def by_terms(self, reach: Reach, terms: Sequence[str], top_k: int) -> Sequence[Passage]:
        """Return the chunks that rank highest by BM25 over the reach, at most `top_k`, best first.

        A term that many chunks have may be left out (`domain/documents/ranking.py`). Costs one statement.
        Raises `StoreUnavailable`.
        """

    async def space(self) -> Space | None:
        """Return the space whose vectors are searched, None: there is none yet.

        Raises `VectorsImpossible` if the database cannot have any, `StoreUnavailable`.
        """

    async def by_vector(self, reach: Reach, space: Space, vector: Vector, top_k: int) -> Near:
        """Return the chunks whose vectors are nearest by cosine, at most `top_k`, best first.

        Small reaches are searched exactly, large ones by an index that misses a few. Raises `SpaceGone`
        if the space has been replaced, `StoreUnavailable`.
        """

    async def first(self, reach: Reach, top_k: int) -> Sequence[Passage]:
        """Return the first chunks of each document that the reach names, in turn, each with the score 0.

        Raises `StoreUnavailable`.
        """

    async def known(self, reach: Reach) -> frozenset[UUID]:
        """Return which of the documents that the reach names are in it. Raises `StoreUnavailable`."""
