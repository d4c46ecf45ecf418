"""Vectors of texts: two whose meaning is near have vectors that are near."""

import math
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

MAX_WIDTH = 4000
"""Longer vectors cannot be indexed: https://github.com/pgvector/pgvector#half-precision-indexing"""

CLAIM_S = 60.0
"""So long nobody else embeds what somebody has claimed, and does not show that he goes on."""

UNSEEN_S = 60.0
"""Whoever has settled no space for so long has gone, and with it the wish for that space."""

Side = Literal["query", "passage"]
Vector = Sequence[float]


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of the angle between two vectors that are not all zeros."""
    both = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return both / (math.hypot(*one) * math.hypot(*other))


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How texts become vectors; those of two recipes say nothing of each other.

    `width` is what the model is asked for, None: its own. Some models want to be told whether a text is a
    query or a passage: by a prefix, or in a field `input_type` of the request.
    """

    model: str
    width: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    query_type: str | None = None
    passage_type: str | None = None

    def prefixed(self, texts: Sequence[str], side: Side) -> Sequence[str]:
        prefix = self.query_prefix if side == "query" else self.passage_prefix
        return [prefix + text for text in texts]

    def input_type(self, side: Side) -> str | None:
        return self.query_type if side == "query" else self.passage_type


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """Where the vectors of one recipe are kept, each `width` numbers long."""

    id: int
    recipe: Recipe
    width: int


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """An index of a document whose chunks get vectors in a space; there are so many of them."""

    space: Space
    document_id: UUID
    version: int
    chunks: int


class BareChunk(msgspec.Struct, frozen=True):
    """The chunk `n` of an index, which has no vector yet."""

    n: int
    text: str
