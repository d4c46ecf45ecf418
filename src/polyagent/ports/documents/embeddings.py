from collections.abc import Sequence
from typing import Protocol

from polyagent.domain.documents.embedding import Recipe, Side, Vector


class Embeddings(Protocol):
    """The service that makes vectors of texts, if one is configured."""

    def wanted(self) -> Recipe | None:
        """Return the recipe that is configured; None: there is no service."""

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        """Return a unit vector of one width per text, in their order.

        Passages are asked for in batches, and again if that may help; a query once, and briefly. A text
        that is too long for the model is cut; one that it takes in no length has zeros, which are near
        to nothing. Raises `ModelServiceMissing`, `ModelServiceUnavailable`, `ModelServiceRefused`,
        `ModelUnknown`.
        """


class Reranker(Protocol):
    """A service that judges how well texts answer a query, if one is configured."""

    def most(self) -> int:
        """Return how many texts it may be told at once; 0: there is no service."""

    async def rank(self, query: str, texts: Sequence[str]) -> Sequence[tuple[int, float]]:
        """Return the places in `texts`, the best first, each with its relevance; some may be left out.

        Raises as `Embeddings.embed` does.
        """
