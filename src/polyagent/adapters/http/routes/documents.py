from collections.abc import AsyncIterator
from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import oldest_first, paged
from polyagent.adapters.http.asks.preconditions import IfMatch, expected_version, tagged
from polyagent.adapters.http.call import Call
from polyagent.domain.documents.document import Chunk, Document, DocumentStatus, IndexAgain
from polyagent.domain.documents.filename import attachment
from polyagent.domain.errors import (
    BlobGone,
    Forbidden,
    NotFound,
    StorageUnavailable,
    TooManyOpen,
)
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import Task
from polyagent.usecases.documents.manage import ManageDocuments


class DocumentController(Controller):
    path = "/api/v1/documents"
    tags = ("Documents",)

    @get("/", permission="documents:read", operation_id="list_documents")
    @inject
    async def list_documents(
        self,
        request: Call,
        page: NamedDependency[PageAsk],
        documents: FromDishka[ManageDocuments],
        status: FromQuery[DocumentStatus | None] = None,
        collection: FromQuery[str | None] = None,
    ) -> Response[Page[Document]]:
        """List documents

        Your own and those that are shared in the workspace.
        """
        found = await documents.list(request.user, page, status=status, collection=collection)
        return paged(request, found)

    @get("/{document_id:uuid}", permission="documents:read", operation_id="get_document")
    @inject
    async def read(
        self, request: Call, document_id: FromPath[UUID], documents: FromDishka[ManageDocuments]
    ) -> Response[Document]:
        """Read a document

        What is known of it: its `status` and `progress` tell how far it is indexed.
        """
        return tagged(await documents.get(request.user, document_id))

    @delete(
        "/{document_id:uuid}",
        permission="documents:write",
        operation_id="delete_document",
        fails=(Forbidden,),
    )
    @inject
    async def remove(
        self,
        request: Call,
        document_id: FromPath[UUID],
        documents: FromDishka[ManageDocuments],
        if_match: IfMatch = None,
    ) -> None:
        """Delete a document

        With all that it is found by, also while it is indexed.
        """
        version = await expected_version(
            request, if_match, lambda: documents.get(request.user, document_id)
        )
        await documents.delete(request.user, document_id, version=version)

    @get(
        "/{document_id:uuid}/content",
        permission="documents:read",
        operation_id="get_document_content",
        fails=(BlobGone, StorageUnavailable),
    )
    @inject
    async def content(
        self, request: Call, document_id: FromPath[UUID], documents: FromDishka[ManageDocuments]
    ) -> Stream:
        """Download a document

        The bytes that were uploaded.
        """
        document, content = await documents.content(request.user, document_id)
        headers = {
            "Content-Disposition": attachment(document.filename),
            "Content-Length": str(document.size_bytes),
            "Content-Security-Policy": "sandbox",
        }
        opened = await _opened(content)
        return Stream(opened, headers=headers, media_type=document.content_type)

    @get(
        "/{document_id:uuid}/chunks",
        permission="documents:read",
        operation_id="list_document_chunks",
        dependencies={"page": Provide(oldest_first, sync_to_thread=False)},
    )
    @inject
    async def chunks(
        self,
        request: Call,
        document_id: FromPath[UUID],
        page: NamedDependency[PageAsk],
        documents: FromDishka[ManageDocuments],
    ) -> Response[Page[Chunk]]:
        """List a document's chunks

        In its own order: none before it is indexed.
        """
        return paged(request, await documents.chunks(request.user, document_id, page))

    @post(
        "/index",
        status_code=202,
        permission="documents:write",
        operation_id="index_documents",
        fails=(NotFound, Forbidden, TooManyOpen),
    )
    @inject
    @once
    async def index(
        self, request: Call, data: JSONBody[IndexAgain], documents: FromDishka[ManageDocuments]
    ) -> Page[Task]:
        """Index documents again

        By a task each. What is found stays what it was until one has ended.
        """
        tasks = await documents.index(request.user, data.document_ids)
        return Page(items=[*tasks])


async def _opened(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the same, of which the first piece has come: what goes wrong with it is an answer yet."""
    first = await anext(content, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in content:
            yield piece

    return whole()
