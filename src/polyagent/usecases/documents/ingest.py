"""Documents become chunks that answers can be found in."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

import msgspec

from polyagent.domain.account import Actor
from polyagent.domain.documents.chunking import Piece
from polyagent.domain.documents.document import Build, Chunk
from polyagent.domain.ids import new_id
from polyagent.domain.task import TaskWork
from polyagent.ports.documents.blobs import Blobs
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.documents.extractor import Extractor
from polyagent.ports.kinds import TaskControl
from polyagent.usecases.documents.embed import EmbedDocuments

BATCH = 200
READ = 0.05
"""How much of the progress it is that the file has been opened."""
EMBEDDING = 0.4
"""How much there is when its text is in the index, and only vectors are lacking."""


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    document_id: UUID
    chunk_count: int


class IngestDocument:
    def __init__(
        self, indexes: Indexes, blobs: Blobs, extractor: Extractor, embed: EmbedDocuments
    ) -> None:
        self._indexes = indexes
        self._blobs = blobs
        self._extractor = extractor
        self._embed = embed

    async def __call__(
        self, actor: Actor, document_id: UUID, work: TaskWork, control: TaskControl
    ) -> Ingested:
        """Build an index and put it in the place of the one before; it may begin anew at any time.

        Raises `NotFound`, `Fenced` if another has begun or the document is gone, `DocumentUnreadable`.
        """
        build = await self._indexes.begin(actor, document_id, work.id, work.attempt)
        await self._write(build, [], READ, control)
        count, most = 0, EMBEDDING if self._embed.is_wanted else 1
        async with aclosing(self._batches(build)) as batches:
            async for batch in batches:
                chunks = [_chunk(build, count + n, piece) for n, piece in enumerate(batch)]
                count += len(chunks)
                progress = READ + batch[-1].progress * (most - READ)
                await self._write(build, chunks, progress, control)
        await self._embed.build(
            build, lambda part: self._write(build, [], most + part * (1 - most), control)
        )
        await self._indexes.finish(build)
        return Ingested(document_id=document_id, chunk_count=count)

    async def _write(
        self, build: Build, chunks: list[Chunk], progress: float, control: TaskControl
    ) -> None:
        await self._indexes.write(build, chunks, progress=progress)
        await control.progress({"progress": round(progress, 3)})

    async def _batches(self, build: Build) -> AsyncGenerator[list[Piece], None]:
        batch: list[Piece] = []
        content = self._blobs.read(build.blob)
        async with aclosing(self._extractor(build.document, content)) as pieces:
            async for piece in pieces:
                batch.append(piece)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch


def _chunk(build: Build, n: int, piece: Piece) -> Chunk:
    return Chunk(
        id=new_id(),
        document_id=build.document.id,
        n=n,
        text=piece.text,
        page=piece.page,
        start=piece.start,
        end=piece.end,
        headings=piece.headings,
        tokens=piece.tokens,
    )
