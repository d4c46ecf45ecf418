"""Documents: uploaded, read, listed, deleted, indexed again."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import msgspec

from polyagent.domain.account import Actor
from polyagent.domain.documents.document import (
    KIND,
    Chunk,
    Document,
    DocumentPolicy,
    DocumentStatus,
    NewDocument,
)
from polyagent.domain.documents.filename import clean_filename
from polyagent.domain.documents.filetype import Sniffer
from polyagent.domain.errors import (
    PolyAgentError,
    StorageUnavailable,
    TooLarge,
    Unavailable,
)
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import Task, TaskAsk, TaskDefaults, TaskToQueue
from polyagent.ports.clock import Clock
from polyagent.ports.documents.blobs import Blobs
from polyagent.ports.store import Store, Transaction
from polyagent.usecases.audit import Audit
from polyagent.usecases.enqueueing import to_queue


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has come whole. `sha256` is in hexadecimal."""

    blob: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str


class Incoming:
    """A file on its way in: first all of it is received, then it becomes a document."""

    def __init__(self, documents: "ManageDocuments", actor: Actor) -> None:
        self._documents = documents
        self._actor = actor
        self.spare: str | None = None

    async def receive(self, filename: str, content: AsyncIterator[bytes]) -> Received:
        """Store it as it comes. Raises `TooLarge`, `DocumentTypeUnsupported`, `StorageUnavailable`."""
        blob = str(new_id())
        received = await self._documents.receive(blob, filename, content)
        self.spare = blob
        return received

    async def add(self, received: Received, new: NewDocument) -> tuple[Document, bool]:
        """Return the document, and whether it is to be indexed: its owner may have had the same bytes.

        Raises `QuotaExceeded`, `TooManyOpen`.
        """
        # from here on nobody knows whether a document has it, unless this ends well, or is refused
        self.spare = None
        try:
            document, is_new = await self._documents.add(self._actor, received, new)
        except Unavailable:
            raise
        except PolyAgentError:
            self.spare = received.blob
            raise
        self.spare = None if is_new else received.blob
        return document, is_new


class ManageDocuments:
    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        audit: Audit,
        policy: DocumentPolicy,
        tasks: TaskDefaults,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._audit = audit
        self._policy = policy
        self._tasks = tasks

    @asynccontextmanager
    async def incoming(self, actor: Actor) -> AsyncIterator[Incoming]:
        """Take a file in; what was received and became no document is thrown away in the end."""
        actor.require("documents:write")
        incoming = Incoming(self, actor)
        try:
            yield incoming
        finally:
            if incoming.spare is not None:
                await self._forget(incoming.spare)

    async def receive(self, blob: str, filename: str, content: AsyncIterator[bytes]) -> Received:
        """Store what comes under that name, all of it or nothing. Raises as `Incoming.receive` does."""
        name, sniffer, digest, size = clean_filename(filename), Sniffer(), hashlib.sha256(), 0
        found = ""

        async def looked_at() -> AsyncIterator[bytes]:
            nonlocal size, found
            async for chunk in content:
                size += len(chunk)
                if size > self._policy.max_upload_bytes:
                    raise TooLarge(f"A file may have {self._policy.max_upload_bytes} bytes.")
                sniffer.feed(chunk)
                digest.update(chunk)
                yield chunk
            found = sniffer.content_type(name)

        await self._blobs.put(blob, looked_at())
        return Received(
            blob=blob,
            filename=name,
            content_type=found,
            size_bytes=size,
            sha256=digest.hexdigest(),
        )

    async def add(
        self, actor: Actor, received: Received, new: NewDocument
    ) -> tuple[Document, bool]:
        asked = Document(
            id=new_id(),
            workspace_id=actor.workspace_id,
            owner_id=actor.user_id,
            filename=received.filename,
            content_type=received.content_type,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            collection=new.collection,
            visibility=new.visibility,
            metadata=new.metadata,
            created_at=self._clock.now(),
        )
        task_id = new_id()
        async with self._store.begin(actor) as tx:
            document, is_new = await tx.documents.add(
                asked, received.blob, most_bytes=self._policy.user_bytes, task_id=task_id
            )
            if is_new:
                await self._enqueue(tx, {task_id: document})
        return document, is_new

    async def get(self, actor: Actor, document_id: UUID) -> Document:
        """Raises `NotFound`."""
        actor.require("documents:read")
        async with self._store.begin(actor) as tx:
            document = await tx.documents.get(document_id)
        if document.visibility == "private":
            await self._audit.seen_theirs(actor, "document.read", document.owner_id, document_id)
        return document

    async def list(
        self,
        actor: Actor,
        page: PageAsk,
        *,
        status: DocumentStatus | None = None,
        collection: str | None = None,
    ) -> Page[Document]:
        actor.require("documents:read")
        await self._audit.seen_list(actor, "document.read")
        async with self._store.begin(actor) as tx:
            return await tx.documents.list(page, status=status, collection=collection)

    async def chunks(self, actor: Actor, document_id: UUID, page: PageAsk) -> Page[Chunk]:
        """Raises `NotFound`."""
        await self.get(actor, document_id)
        async with self._store.begin(actor) as tx:
            return await tx.documents.chunks(document_id, page)

    async def content(
        self, actor: Actor, document_id: UUID
    ) -> tuple[Document, AsyncIterator[bytes]]:
        """Return the document and its bytes, which may raise `BlobGone`, `StorageUnavailable`."""
        document = await self.get(actor, document_id)
        async with self._store.begin(actor) as tx:
            blob = await tx.documents.blob(document_id)
        return document, self._blobs.read(blob)

    async def delete(self, actor: Actor, document_id: UUID, *, version: int | None) -> None:
        """Take it away with its chunks, also while it is indexed.

        Raises `NotFound`, `Forbidden`, `PreconditionFailed`.
        """
        actor.require("documents:write")
        async with self._store.begin(actor) as tx:
            document = await tx.documents.get(document_id)
            blob = await tx.documents.delete(document_id, version=version)
            await self._audit.note_theirs(
                tx, "document.deleted", actor, document.owner_id, object_id=document_id
            )
        await self._forget(blob)

    async def _forget(self, blob: str) -> None:
        """Throw away what no document has; what the storage keeps now is swept later."""
        with suppress(StorageUnavailable):
            await self._blobs.delete(blob)

    async def index(self, actor: Actor, document_ids: Sequence[UUID] | None) -> Sequence[Task]:
        """Index documents again, by a task each; None: all of the actor's own.

        Raises `NotFound`, `Forbidden`, `TooManyOpen`: then none is.
        """
        actor.require("documents:write")
        async with self._store.begin(actor) as tx:
            if document_ids is None:
                document_ids = await self._own(tx, actor)
            named = {new_id(): each for each in dict.fromkeys(document_ids)}
            renewed = {id_: await tx.documents.renew(each, id_) for id_, each in named.items()}
            for each in renewed.values():
                await self._audit.note_theirs(
                    tx, "document.changed", actor, each.owner_id, object_id=each.id
                )
            return await self._enqueue(tx, renewed)

    async def _own(self, tx: Transaction, actor: Actor) -> Sequence[UUID]:
        found: list[UUID] = []
        page = PageAsk(limit=100)
        while True:
            batch = await tx.documents.list(page)
            found += [each.id for each in batch.items if each.owner_id == actor.user_id]
            if batch.next_cursor is None:
                return found
            page = msgspec.structs.replace(page, cursor=batch.next_cursor)

    async def _enqueue(self, tx: Transaction, documents: Mapping[UUID, Document]) -> Sequence[Task]:
        """Enqueue the tasks that the documents wait for, which are the owners', whoever asks for them."""
        asked = [self._task(task_id, document) for task_id, document in documents.items()]
        return await tx.tasks.add(asked, most=self._tasks.queued_tasks) if asked else ()

    def _task(self, task_id: UUID, document: Document) -> TaskToQueue:
        ask = TaskAsk(kind=KIND, payload={"document_id": str(document.id)})
        task = to_queue(ask, document.owner_id, None, self._tasks)
        return msgspec.structs.replace(task, id=task_id)
