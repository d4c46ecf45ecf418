"""The vectors of chunks, while they are made. Whoever dies between two calls is followed by another."""

from collections.abc import Sequence
from typing import Protocol

from polyagent.domain.documents.document import Build
from polyagent.domain.documents.embedding import BareChunk, Embedding, Recipe, Space, Vector


class Vectors(Protocol):
    """Spaces, and the vectors in them. Each method may raise `StoreUnavailable`, and be done all the same.

    `write` twice is as good as once. Of several spaces one is wanted, the one that was opened last.
    """

    async def open(self, recipe: Recipe, width: int) -> Space:
        """Return the space of a recipe, made if need be, and make it the wanted one.

        Raises `VectorsImpossible` if the database cannot keep such vectors.
        """

    async def claim(self, space: Space) -> Embedding | None:
        """Return an index in use that lacks vectors and that nobody else works at.

        None: there is none, or the space is not the wanted one any more.
        """

    async def begin(self, space: Space, build: Build) -> Embedding | None:
        """Return the index that a build makes, as `claim` does."""

    async def lacking(self, work: Embedding, start: int, end: int) -> Sequence[BareChunk]:
        """Return the chunks from the `n` of `start` to before `end` that have no vector.

        Those whose text a document of the same owner has, with a vector, get that. (Not of others: how
        long it takes would tell that somebody has the same text.) Raises as `write` does.
        """

    async def write(self, work: Embedding, vectors: Sequence[tuple[int, Vector]]) -> None:
        """Add vectors, each with the `n` of its chunk, and renew the claim.

        Raises `Fenced` if the index or the space is gone.
        """

    async def finish(self, work: Embedding) -> None:
        """Note that no chunk of the index lacks a vector."""

    async def settle(self, space: Space) -> bool:
        """Use the wanted space in the place of the others, and drop these, once it lacks nothing that they have.

        Returns False if the space is not the wanted one, and nobody has settled that for `UNSEEN_S`: open
        it again.
        """
