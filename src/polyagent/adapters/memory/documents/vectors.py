"""The vectors of chunks, in memory, while they are made."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.state import DocumentRow, EmbeddedRow, SpaceRow, State
from polyagent.domain.documents.document import Build, Chunk
from polyagent.domain.documents.embedding import (
    CLAIM_S,
    UNSEEN_S,
    BareChunk,
    Embedding,
    Recipe,
    Space,
    Vector,
)
from polyagent.domain.errors import Fenced
from polyagent.ports.clock import Clock

GONE = "The index, or the space of its vectors, is gone."


class MemoryVectors:
    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def open(self, recipe: Recipe, width: int) -> Space:
        known = [row.space for row in self._state.spaces]
        same = [space for space in known if (space.recipe, space.width) == (recipe, width)]
        newest = max((space.id for space in known), default=0)
        space = same[0] if same else Space(id=newest + 1, recipe=recipe, width=width)
        if not same:
            self._state.spaces.append(SpaceRow(space=space))
        seen_at = self._clock.monotonic()
        self._state.spaces[:] = [
            replace(row, wanted=row.space.id == space.id, seen_at=seen_at)
            for row in self._state.spaces
        ]
        return space

    async def claim(self, space: Space) -> Embedding | None:
        for row in reversed(self._state.documents.values()):
            key = (space.id, row.document.id, row.in_use)
            known = self._state.embedded.get(key)
            busy = known and (known.finished or known.claimed_until > self._clock.monotonic())
            if row.in_use and not busy and self._is_wanted(space):
                return self._claimed(space, row, row.in_use, row.chunks)
        return None

    async def begin(self, space: Space, build: Build) -> Embedding | None:
        row = self._state.documents.get(build.document.id)
        if row is None or row.build != build.version or not self._is_wanted(space):
            return None
        return self._claimed(space, row, build.version, row.written)

    def _claimed(
        self, space: Space, row: DocumentRow, version: int, chunks: Sequence[Chunk]
    ) -> Embedding:
        document_id = row.document.id
        until = self._clock.monotonic() + CLAIM_S
        self._state.embedded[space.id, document_id, version] = EmbeddedRow(claimed_until=until)
        return Embedding(space=space, document_id=document_id, version=version, chunks=len(chunks))

    async def lacking(self, work: Embedding, start: int, end: int) -> Sequence[BareChunk]:
        row = self._held(work)
        chunks = [chunk for chunk in _chunks(row, work.version) if start <= chunk.n < end]
        known = self._known(row.document.owner_id, work.space.id)
        copied = [(chunk.n, known[chunk.text]) for chunk in chunks if chunk.text in known]
        await self.write(work, copied)
        return [BareChunk(chunk.n, chunk.text) for chunk in chunks if chunk.text not in known]

    def _known(self, owner_id: UUID, space_id: int) -> dict[str, Vector]:
        return {
            chunk.text: row.vectors[space_id, chunk.id]
            for row in self._state.documents.values()
            if row.document.owner_id == owner_id
            for chunk in (*row.chunks, *row.written)
            if (space_id, chunk.id) in row.vectors
        }

    async def write(self, work: Embedding, vectors: Sequence[tuple[int, Vector]]) -> None:
        row = self._held(work)
        ids = {chunk.n: chunk.id for chunk in _chunks(row, work.version)}
        new = {(work.space.id, ids[n]): vector for n, vector in vectors}
        row = replace(row, vectors={**new, **row.vectors})
        self._state.documents[row.document.id] = row
        self._claimed(work.space, row, work.version, _chunks(row, work.version))

    async def finish(self, work: Embedding) -> None:
        row = self._held(work)
        if all((work.space.id, each.id) in row.vectors for each in _chunks(row, work.version)):
            self._state.embedded[_key(work)] = EmbeddedRow(finished=True, claimed_until=0)

    async def settle(self, space: Space) -> bool:
        now = self._clock.monotonic()
        if self._is_wanted(space):
            self._use(space, now)
        return any(row.wanted and row.seen_at > now - UNSEEN_S for row in self._state.spaces)

    def _use(self, space: Space, now: float) -> None:
        self._state.spaces[:] = [
            replace(row, seen_at=now if row.wanted else row.seen_at) for row in self._state.spaces
        ]
        if not any(self._lacks(space, row) for row in self._state.documents.values()):
            self._state.spaces[:] = [SpaceRow(space=space, wanted=True, in_use=True, seen_at=now)]
            for row in [*self._state.documents.values()]:
                kept = {key: each for key, each in row.vectors.items() if key[0] == space.id}
                self._state.documents[row.document.id] = replace(row, vectors=kept)

    def _lacks(self, space: Space, row: DocumentRow) -> bool:
        """Say whether an index is embedded in the space in use and not in this one."""
        done = {
            space_id
            for (space_id, document_id, version), each in self._state.embedded.items()
            if each.finished and (document_id, version) == (row.document.id, row.in_use)
        }
        used = {each.space.id for each in self._state.spaces if each.in_use}
        return bool(row.in_use and done & used and space.id not in done)

    def _held(self, work: Embedding) -> DocumentRow:
        row = self._state.documents.get(work.document_id)
        is_there = row is not None and work.version in (row.in_use, row.build)
        if row is None or not is_there or _key(work) not in self._state.embedded:
            raise Fenced(GONE)
        if work.space.id not in {each.space.id for each in self._state.spaces}:
            raise Fenced(GONE)
        return row

    def _is_wanted(self, space: Space) -> bool:
        return any(row.wanted and row.space.id == space.id for row in self._state.spaces)


def _key(work: Embedding) -> tuple[int, UUID, int]:
    return work.space.id, work.document_id, work.version


def _chunks(row: DocumentRow, version: int) -> Sequence[Chunk]:
    return row.chunks if version == row.in_use else row.written
