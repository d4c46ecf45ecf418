"""Documents, in PostgreSQL."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, and_, delete, func, or_, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from polyagent.adapters.postgres.documents.tables import ChunkRow as C
from polyagent.adapters.postgres.documents.tables import DocumentRow as D
from polyagent.adapters.postgres.page import by_id, by_number, page_of
from polyagent.adapters.postgres.statements import Statements
from polyagent.domain.account import Actor
from polyagent.domain.documents.document import Chunk, Document, DocumentStatus
from polyagent.domain.errors import Forbidden, NotFound, PreconditionFailed, QuotaExceeded
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import TaskError

LOCK = text("SELECT pg_advisory_xact_lock(12, hashtext(CAST(:user_id AS text)))")


class PostgresDocuments:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._actor = actor
        ours = D.workspace_id == actor.workspace_id
        own = true() if actor.is_admin else D.user_id == actor.user_id
        self._mine = and_(ours, own)
        self._visible = and_(ours, or_(own, D.visibility == "shared"))

    async def add(
        self, document: Document, blob: str, *, most_bytes: int, task_id: UUID | None = None
    ) -> tuple[Document, bool]:
        await self._statements.all(LOCK, {"user_id": str(document.owner_id)})
        if (same := await self._same(document)) is not None:
            if same.status != "failed":
                return same, False
            told = {"filename": document.filename, "content_type": document.content_type}
            return await self._renew(same.id, task_id, blob=blob, **told), True
        await self._require_room(document, most_bytes)
        row = {
            D.__table__.c[name]: value for name, value in _values(document, blob, task_id).items()
        }
        added = await self._statements.first(insert(D).values(row).returning(*_COLUMNS))
        assert added is not None  # noqa: S101  # the lock keeps others from adding the same
        return _document(added), True

    async def _same(self, document: Document) -> Document | None:
        row = await self._statements.first(
            select(*_COLUMNS).where(
                D.workspace_id == document.workspace_id,
                D.user_id == document.owner_id,
                D.sha256 == document.sha256,
                func.coalesce(D.collection, "") == (document.collection or ""),
            )
        )
        return None if row is None else _document(row)

    async def _require_room(self, document: Document, most_bytes: int) -> None:
        used = select(func.coalesce(func.sum(D.size_bytes), 0).label("bytes"))
        (row,) = await self._statements.all(used.where(D.user_id == document.owner_id))
        if row["bytes"] + document.size_bytes > most_bytes:
            raise QuotaExceeded(
                f"Your documents may have {most_bytes} bytes together, and have {row['bytes']}:"
                " delete some of them first."
            )

    async def get(self, document_id: UUID) -> Document:
        return _document(await self._row(document_id, *_COLUMNS))

    async def blob(self, document_id: UUID) -> str:
        return str((await self._row(document_id, D.blob))["blob"])

    async def _row(self, document_id: UUID, *columns: Any) -> RowMapping:
        row = await self._statements.first(
            select(*columns).where(self._visible, D.id == document_id)
        )
        if row is None:
            raise NotFound(f"There is no document {document_id}.")
        return row

    async def list(
        self,
        page: PageAsk,
        *,
        status: DocumentStatus | None = None,
        collection: str | None = None,
    ) -> Page[Document]:
        found = select(*_COLUMNS).where(self._visible)
        if status is not None:
            found = found.where(D.status == status)
        if collection is not None:
            found = found.where(D.collection == collection)
        rows = await self._statements.all(by_id(found, D.id, page))
        return page_of(rows, page, lambda row: row["id"], _document)

    async def chunks(self, document_id: UUID, page: PageAsk) -> Page[Chunk]:
        in_use = and_(C.document_id == D.id, C.index_version == D.index_version)
        found = select(*CHUNK_COLUMNS).join(D, in_use).where(self._visible, D.id == document_id)
        rows = await self._statements.all(by_number(found, C.n, page))
        if not rows:
            await self._row(document_id, D.id)
        return page_of(rows, page, lambda row: row["n"], chunk_of)

    async def renew(self, document_id: UUID, task_id: UUID | None = None) -> Document:
        return await self._renew(document_id, task_id)

    async def _renew(self, document_id: UUID, task_id: UUID | None, **also: str) -> Document:
        change = update(D).where(self._mine, D.id == document_id)
        row = await self._statements.first(
            change.values(
                status="uploaded",
                error=None,
                progress=0,
                task_id=task_id,
                version=D.version + 1,
                **also,
            ).returning(*_COLUMNS)
        )
        if row is None:
            raise await self._refusal(document_id, None)
        return _document(row)

    async def delete(self, document_id: UUID, *, version: int | None) -> str:
        at = true() if version is None else D.version == version
        gone = delete(D).where(self._mine, D.id == document_id, at).returning(D.blob)
        row = await self._statements.first(gone)
        if row is None:
            raise await self._refusal(document_id, version)
        return str(row["blob"])

    async def _refusal(self, document_id: UUID, version: int | None) -> Exception:
        """Say why no row was changed. Raises `NotFound` if the actor cannot see it either."""
        document = await self.get(document_id)
        if not self._actor.is_admin and document.owner_id != self._actor.user_id:
            return Forbidden("Only its owner or an administrator may change this document.")
        return PreconditionFailed(f"The document is at version {document.version}, not {version}.")


_COLUMNS = (
    *(D.id, D.workspace_id, D.user_id.label("owner_id"), D.filename, D.content_type),
    *(D.size_bytes, D.sha256, D.status, D.error, D.progress, D.chunk_count, D.collection),
    *(D.visibility, D.details.label("metadata"), D.version, D.created_at, D.indexed_at),
)
CHUNK_COLUMNS = (
    *(C.id, C.document_id, C.n, C.text, C.page, C.start_at.label("start"), C.end_at.label("end")),
    *(C.headings, C.tokens),
)


def _values(document: Document, blob: str, task_id: UUID | None) -> dict[str, Any]:
    also = {"blob": blob, "user_id": document.owner_id, "task_id": task_id}
    kept = msgspec.structs.asdict(document) | also
    del kept["owner_id"]
    return kept


def _document(row: RowMapping) -> Document:
    metadata, error = msgspec.json.decode(row["metadata"]), None
    if row["error"] is not None:
        error = msgspec.json.decode(row["error"], type=TaskError)
    return Document(**{**row, "metadata": metadata, "error": error})


def chunk_of(row: RowMapping) -> Chunk:
    """Return the chunk out of `CHUNK_COLUMNS`."""
    return Chunk(**{**row, "headings": tuple(msgspec.json.decode(row["headings"]))})
