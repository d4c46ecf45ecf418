"""Documents and their indexes, in memory."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import DocumentRow, State
from polyagent.adapters.memory.task_rows import TaskRow
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.documents.document import (
    INDEX_LOST,
    KIND,
    Build,
    Chunk,
    Document,
    DocumentStatus,
)
from polyagent.domain.errors import (
    Fenced,
    Forbidden,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
)
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock

GONE = "Another has begun to index the document, or it is gone."
NOBODY = UUID(int=0)


class MemoryDocuments:
    def __init__(self, state: State, undo: Undo, actor: Actor, clock: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor

    async def add(
        self, document: Document, blob: str, *, most_bytes: int, task_id: UUID | None = None
    ) -> tuple[Document, bool]:
        theirs = [row.document for row in self._state.documents.values()]
        theirs = [other for other in theirs if other.owner_id == document.owner_id]
        for same in theirs:
            if (same.sha256, same.collection) == (document.sha256, document.collection):
                if same.status != "failed":
                    return same, False
                row = self._mine(same.id)
                named = replace(
                    same, filename=document.filename, content_type=document.content_type
                )
                self._put(replace(row, document=named, blob=blob))
                return self._renew(same.id, task_id), True
        used = sum(other.size_bytes for other in theirs)
        if used + document.size_bytes > most_bytes:
            raise QuotaExceeded(
                f"Your documents may have {most_bytes} bytes together, and have {used}:"
                " delete some of them first."
            )
        self._put(DocumentRow(document=document, blob=blob, task_id=task_id))
        return document, True

    async def get(self, document_id: UUID) -> Document:
        return self._row(document_id).document

    async def blob(self, document_id: UUID) -> str:
        return self._row(document_id).blob

    async def list(
        self,
        page: PageAsk,
        *,
        status: DocumentStatus | None = None,
        collection: str | None = None,
    ) -> Page[Document]:
        found = (
            row.document
            for row in self._visible()
            if status in (None, row.document.status)
            and collection in (None, row.document.collection)
        )
        return paged(found, page, lambda document: document.id.int)

    async def chunks(self, document_id: UUID, page: PageAsk) -> Page[Chunk]:
        return paged(self._row(document_id).chunks, page, lambda chunk: chunk.n)

    async def renew(self, document_id: UUID, task_id: UUID | None = None) -> Document:
        return self._renew(document_id, task_id)

    def _renew(self, document_id: UUID, task_id: UUID | None) -> Document:
        row = self._mine(document_id)
        version = row.document.version + 1
        again = replace(row.document, status="uploaded", error=None, progress=0.0, version=version)
        self._put(replace(row, document=again, task_id=task_id))
        return again

    async def delete(self, document_id: UUID, *, version: int | None) -> str:
        row = self._mine(document_id)
        if version not in (None, row.document.version):
            at = row.document.version
            raise PreconditionFailed(f"The document is at version {at}, not {version}.")
        self._undo.remove(self._state.documents, document_id)
        return row.blob

    def _mine(self, document_id: UUID) -> DocumentRow:
        row = self._row(document_id)
        if not self._actor.is_admin and row.document.owner_id != self._actor.user_id:
            raise Forbidden("Only its owner or an administrator may change this document.")
        return row

    def _row(self, document_id: UUID) -> DocumentRow:
        for row in self._visible():
            if row.document.id == document_id:
                return row
        raise NotFound(f"There is no document {document_id}.")

    def _visible(self) -> Iterator[DocumentRow]:
        for row in self._state.documents.values():
            document = row.document
            own = self._actor.is_admin or document.owner_id == self._actor.user_id
            if document.workspace_id == self._actor.workspace_id and (
                own or document.visibility == "shared"
            ):
                yield row

    def _put(self, row: DocumentRow) -> None:
        self._undo.put(self._state.documents, row.document.id, row)


class MemoryIndexes:
    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def begin(
        self, actor: Actor, document_id: UUID, task_id: UUID, attempt: int = 1
    ) -> Build:
        row = self._state.documents.get(document_id)
        if row is None or not _may_change(actor, row.document):
            raise NotFound(f"There is no document {document_id}.")
        task = self._state.tasks.get(task_id)
        if task is not None and (task.status, task.attempt) != ("running", attempt):
            raise Fenced(GONE)
        so_far = row.document.progress if row.task_id == task_id else 0.0
        row = self._put(
            row,
            build=row.build + 1,
            task_id=task_id,
            written=(),
            **_processing(row.document, so_far),
        )
        return Build(document=row.document, blob=row.blob, version=row.build)

    async def write(self, build: Build, chunks: Sequence[Chunk], *, progress: float) -> None:
        row = self._own(build)
        so_far = max(progress, row.document.progress)
        document = replace(row.document, progress=so_far)
        self._put(row, document=document, written=(*row.written, *chunks))

    async def finish(self, build: Build) -> None:
        row = self._own(build)
        document = replace(
            row.document,
            status="indexed",
            progress=1.0,
            error=None,
            indexed_at=self._clock.now(),
            version=row.document.version + 1,
            chunk_count=len(row.written),
        )
        kept = {chunk.id for chunk in row.written}
        vectors = {key: vector for key, vector in row.vectors.items() if key[1] in kept}
        self._put(
            row,
            document=document,
            chunks=row.written,
            written=(),
            in_use=build.version,
            vectors=vectors,
        )

    async def known(self, blobs: Sequence[str]) -> frozenset[str]:
        return frozenset(blobs) & {row.blob for row in self._state.documents.values()}

    def _own(self, build: Build) -> DocumentRow:
        row = self._state.documents.get(build.document.id)
        if row is None or row.build != build.version:
            raise Fenced(GONE)
        return row

    def _put(self, row: DocumentRow, **changes: Any) -> DocumentRow:
        self._state.documents[row.document.id] = row = replace(row, **changes)
        return row


def close_document(state: State, undo: Undo, task: TaskRow) -> None:
    """Do to its document what a task does that ends."""
    row = state.documents.get(_document_id(task.asked.payload))
    if task.asked.kind != KIND or task.is_live or row is None:
        return
    document = row.document
    is_open = document.status in ("uploaded", "processing")
    is_own = row.task_id is None and document.owner_id == task.asked.user_id
    if is_open and (is_own or row.task_id == task.asked.id):
        error, version = task.error or INDEX_LOST, document.version + 1
        failed = replace(document, status="failed", error=error, version=version)
        closed = replace(row, document=failed, written=(), build=row.build + 1)
        undo.put(state.documents, document.id, closed)


def _document_id(payload: dict[str, Any]) -> UUID:
    try:
        return UUID(str(payload.get("document_id")))
    except ValueError:
        return NOBODY


def _may_change(actor: Actor, document: Document) -> bool:
    ours = document.workspace_id == actor.workspace_id
    return ours and (actor.is_admin or document.owner_id == actor.user_id)


def _processing(document: Document, progress: float) -> dict[str, Any]:
    version = document.version + 1
    return {
        "document": replace(
            document, status="processing", error=None, progress=progress, version=version
        )
    }
