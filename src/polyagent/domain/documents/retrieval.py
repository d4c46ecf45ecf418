"""Searching documents: who may look where, and the passages that are found."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from polyagent.domain.agent import Name

Mode = Literal["hybrid", "text", "vector"]

DOCUMENT_SEARCH = "document_search"

MAX_QUERY_CHARACTERS = 4_000
DEFAULT_TOP_K = 10

NO_EMBEDDINGS = (
    "No embedding service is configured, so documents are found by their words: mode text."
)

EMBEDDINGS_AWAY = "The embedding service gave no answer, so documents are found by their words."
NO_SPACE = "No document has been embedded yet, so documents are found by their words: mode text."
PARTLY_EMBEDDED = (
    "Some of the documents that were searched are not embedded yet: these are found by words only."
)
RERANKER_AWAY = "The reranking service gave no answer, so the order is the one before it."

Query = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_QUERY_CHARACTERS)]
DocumentIds = Annotated[tuple[UUID, ...], msgspec.Meta(max_length=1000)]


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """The documents that a search looks at: the user's own and those shared in the workspace.

    Administrators have no other: nothing of somebody's private documents is found, counted or weighed.
    `collection` and `document_ids` narrow it; None: they do not.
    """

    workspace_id: UUID
    user_id: UUID
    collection: str | None = None
    document_ids: tuple[UUID, ...] | None = None


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that was found. `start` and `end` count characters of the document's extracted text."""

    document_id: UUID
    filename: str
    chunk_id: UUID
    text: str
    page: int | None = None
    start: int
    end: int
    score: float

    @property
    def label(self) -> str:
        """What a model calls it by: the last digits of the chunk's id, which are random."""
        return self.chunk_id.hex[-8:]


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """What was found by a vector; `is_whole` unless some documents of the reach have no vectors yet.

    The score is the cosine of the angle between the vectors.
    """

    items: Sequence[Passage]
    is_whole: bool


class SearchDocuments(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    query: Query
    top_k: Annotated[int, msgspec.Meta(ge=1, le=100)] = DEFAULT_TOP_K
    collection: Name | None = None
    document_ids: DocumentIds | None = None
    mode: Mode = "hybrid"

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise ValueError("query is empty: write at least one visible character")


class FoundPassages(msgspec.Struct, frozen=True, kw_only=True):
    """`mode` is the one that was used, `note` what kept the search from being all that was asked for.

    Scores are good for comparing within one answer: BM25 for `text`, the cosine for `vector`, the sum of
    1 / (60 + rank) for `hybrid`, and what a reranking service says where one is configured.
    """

    items: Sequence[Passage]
    mode: Mode
    note: str | None = None
