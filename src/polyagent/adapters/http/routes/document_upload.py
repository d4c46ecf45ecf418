from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, post

from polyagent.adapters.http.asks.keys import Key, idempotency_key
from polyagent.adapters.http.asks.once import answered_once, keyed
from polyagent.adapters.http.asks.preconditions import tagged
from polyagent.adapters.http.asks.uploading import read_upload
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.errors import MediaTypeUnsupported
from polyagent.domain.documents.document import Document
from polyagent.domain.errors import (
    DocumentTypeUnsupported,
    QuotaExceeded,
    StorageUnavailable,
    TooLarge,
    TooManyOpen,
)
from polyagent.usecases.documents.manage import ManageDocuments

UPLOAD = (
    *(TooLarge, QuotaExceeded, DocumentTypeUnsupported, MediaTypeUnsupported),
    *(TooManyOpen, StorageUnavailable),
)


class DocumentUploadController(Controller):
    """What takes larger bodies than the rest."""

    path = "/api/v1/documents"
    tags = ("Documents",)

    @post(
        "/upload",
        status_code=202,
        permission="documents:write",
        operation_id="upload_document",
        fails=UPLOAD,
    )
    @inject
    @keyed
    async def upload(
        self, request: Call, documents: FromDishka[ManageDocuments], key: Key = None
    ) -> Response[Document]:
        """Upload a document

        A form with exactly one `file`; `metadata` is JSON. It is indexed by a task, whose progress the
        document shows. The same bytes again in the same collection are the same document (200).
        """
        async with documents.incoming(request.user) as incoming:
            received, new = await read_upload(request, incoming.receive)

            async def work() -> Response[Document]:
                document, is_new = await incoming.add(received, new)
                location = {"Location": f"{self.path}/{document.id}"}
                return tagged(document, status_code=202 if is_new else 200, headers=location)

            asked = [received.sha256, received.filename, new]
            named = idempotency_key(key, route="POST upload", asked=asked, end_user=None)
            answer: Response[Document] = await answered_once(request, named, work)
            return answer
