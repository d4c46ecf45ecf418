"""Documents and what they are searched by. Every statement names the actor's workspace and rights."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.documents.document import Build, Chunk, Document, DocumentStatus
from polyagent.domain.page import Page, PageAsk


class Documents(Protocol):
    """Documents that the actor may see: its own, those shared in the workspace; an administrator: all."""

    async def add(
        self, document: Document, blob: str, *, most_bytes: int, task_id: UUID | None = None
    ) -> tuple[Document, bool]:
        """Store it, and return it and True; or the one that its owner has of the same bytes, and False.

        The same are those of one hash and collection: of many who ask at once one adds. One of them that
        `failed` begins anew, with this blob, name and type, and is returned with True. Raises `QuotaExceeded` if
        its owner's documents would together have more than so many bytes. `task_id` is as in `renew`.
        """

    async def get(self, document_id: UUID) -> Document:
        """Raises `NotFound`."""

    async def blob(self, document_id: UUID) -> str:
        """Return the name of what was uploaded. Raises `NotFound`."""

    async def list(
        self,
        page: PageAsk,
        *,
        status: DocumentStatus | None = None,
        collection: str | None = None,
    ) -> Page[Document]: ...

    async def chunks(self, document_id: UUID, page: PageAsk) -> Page[Chunk]:
        """Return those of the index in use. Raises `NotFound`."""

    async def renew(self, document_id: UUID, task_id: UUID | None = None) -> Document:
        """Make it one that waits to be indexed, while its chunks stay.

        By that task, which is added in the same transaction; None: by any.

        Raises `NotFound`, `Forbidden` if the actor sees but may not change it.
        """

    async def delete(self, document_id: UUID, *, version: int | None) -> str:
        """Take it away with its chunks, and return the name of its blob.

        Raises as `renew` does, and `PreconditionFailed` if it is at another version.
        """


class Indexes(Protocol):
    """Indexes while they are built, a batch at a time. What no build has finished is never in use.

    A task of the kind `ingest` that ends, however that comes, and leaves the document open that waits for
    it, or that it indexes, throws away what its build wrote and makes the document `failed`, with its own
    error or `INDEX_LOST`, in the same transaction. What another task is to do is none of its business.
    Each method may raise `StoreUnavailable`: it may have been done all the same.
    """

    async def begin(
        self, actor: Actor, document_id: UUID, task_id: UUID, attempt: int = 1
    ) -> Build:
        """Begin the build of an attempt at a task, and throw away what others have not finished.

        Raises `NotFound` if it is not the actor's to change, `Fenced` if the attempt is over.
        """

    async def write(self, build: Build, chunks: Sequence[Chunk], *, progress: float) -> None:
        """Add chunks, if any.

        Raises `Fenced` if another build has begun, the task has ended or the document is gone.
        """

    async def finish(self, build: Build) -> None:
        """Put what was written in the place of the index in use, at once. Raises as `write` does."""

    async def known(self, blobs: Sequence[str]) -> frozenset[str]:
        """Return those of the names that documents have."""
