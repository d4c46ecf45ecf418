"""Searching chunks by their terms, in memory."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from polyagent.adapters.memory.state import DocumentRow, State
from polyagent.domain.documents.document import Chunk, Document
from polyagent.domain.documents.embedding import Space, Vector, cosine
from polyagent.domain.documents.ranking import score, weight
from polyagent.domain.documents.retrieval import Near, Passage, Reach
from polyagent.domain.documents.terms import terms_of_chunk
from polyagent.domain.errors import SpaceGone


class MemoryRetrieval:
    def __init__(self, state: State) -> None:
        self._state = state

    async def by_terms(self, reach: Reach, terms: Sequence[str], top_k: int) -> Sequence[Passage]:
        rows = [row for row in self._state.documents.values() if _is_within(row, reach)]
        counted = [
            (row.document, chunk, Counter(terms_of_chunk(chunk, row.document.filename)))
            for row in rows
            for chunk in row.chunks
        ]
        scores = _scores([terms for _, _, terms in counted], terms)
        best = sorted(scores, key=lambda i: (-scores[i], i))[:top_k]
        return [_passage(*counted[i][:2], scores[i]) for i in best]

    async def space(self) -> Space | None:
        return next((row.space for row in self._state.spaces if row.in_use), None)

    async def by_vector(self, reach: Reach, space: Space, vector: Vector, top_k: int) -> Near:
        if all(row.space.id != space.id for row in self._state.spaces):
            raise SpaceGone("Another model's vectors took the place of these.")
        rows = [row for row in self._state.documents.values() if _is_within(row, reach)]
        vectors = [(row, chunk, row.vectors.get((space.id, chunk.id))) for row, chunk in _all(rows)]
        near = [
            (cosine(vector, known), row.document, chunk)
            for row, chunk, known in vectors
            if known is not None and any(known)
        ]
        near.sort(key=lambda told: -told[0])
        items = [_passage(document, chunk, score) for score, document, chunk in near[:top_k]]
        return Near(items=items, is_whole=all(known is not None for *_, known in vectors))

    async def first(self, reach: Reach, top_k: int) -> Sequence[Passage]:
        rows = [row for row in self._state.documents.values() if _is_within(row, reach)]
        told = [(row.document, chunk) for row in rows for chunk in row.chunks[:top_k]]
        told.sort(key=lambda pair: (pair[1].n, pair[0].id))
        return [_passage(document, chunk, 0.0) for document, chunk in told[:top_k]]

    async def known(self, reach: Reach) -> frozenset[UUID]:
        rows = self._state.documents.values()
        return frozenset(row.document.id for row in rows if _is_within(row, reach))


def _all(rows: Sequence[DocumentRow]) -> Iterator[tuple[DocumentRow, Chunk]]:
    return ((row, chunk) for row in rows for chunk in row.chunks)


def _is_within(row: DocumentRow, reach: Reach) -> bool:
    document = row.document
    return (
        document.workspace_id == reach.workspace_id
        and (document.owner_id == reach.user_id or document.visibility == "shared")
        and reach.collection in (None, document.collection)
        and (reach.document_ids is None or document.id in reach.document_ids)
    )


def _scores(counted: Sequence[Counter[str]], terms: Sequence[str]) -> Mapping[int, float]:
    """Return the score of each chunk that has some of the terms, by its place in `counted`."""
    scores: defaultdict[int, float] = defaultdict(float)
    mean = max(1.0, sum(each.total() for each in counted) / max(1, len(counted)))
    for term in terms:
        having = [*_having(counted, term)]
        for i in having:
            idf = weight(len(counted), len(having))
            scores[i] += score(idf, counted[i][term], counted[i].total(), mean)
    return scores


def _having(counted: Sequence[Counter[str]], term: str) -> Iterator[int]:
    return (i for i, terms in enumerate(counted) if term in terms)


def _passage(document: Document, chunk: Chunk, score: float) -> Passage:
    return Passage(
        document_id=document.id,
        filename=document.filename,
        chunk_id=chunk.id,
        text=chunk.text,
        page=chunk.page,
        start=chunk.start,
        end=chunk.end,
        score=score,
    )
