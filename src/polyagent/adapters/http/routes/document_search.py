from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, post
from litestar.params import JSONBody

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.call import Call
from polyagent.domain.documents.retrieval import FoundPassages, SearchDocuments
from polyagent.domain.errors import NotFound, NotSupported
from polyagent.usecases.documents.search import FindDocuments


class DocumentSearchController(Controller):
    path = "/api/v1/documents"
    tags = ("Documents",)

    @post(
        "/search",
        status_code=200,
        permission="documents:read",
        operation_id="search_documents",
        fails=(NotFound, NotSupported),
    )
    @inject
    @once
    async def search(
        self, request: Call, data: JSONBody[SearchDocuments], find: FromDishka[FindDocuments]
    ) -> FoundPassages:
        """Search documents

        Your own and those shared with you, an administrator's too: the passages that fit best first.
        `mode` in the answer is the one that was used.
        """
        return await find(request.user, data)
