from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.call import Call
from polyagent.domain.api_key import ApiKey, MadeApiKey, NewApiKey
from polyagent.domain.page import Page, PageAsk
from polyagent.usecases.api_keys import ManageApiKeys


class ApiKeyController(Controller):
    path = "/api/v1/api-keys"
    tags = ("API keys",)

    @get("/", permission="keys", operation_id="list_api_keys")
    @inject
    async def list_keys(
        self, request: Call, page: NamedDependency[PageAsk], keys: FromDishka[ManageApiKeys]
    ) -> Response[Page[ApiKey]]:
        """List API keys

        Your own; an administrator's list has everybody's.
        """
        return paged(request, await keys.list(request.user, page))

    @post("/", permission="keys", operation_id="create_api_key")
    @inject
    @once
    async def create(
        self, request: Call, data: JSONBody[NewApiKey], keys: FromDishka[ManageApiKeys]
    ) -> MadeApiKey:
        """Make an API key

        `secret` is shown this once: give it as `Authorization: Bearer <secret>`. Its scopes are
        within your own rights, and stay so when these shrink.
        """
        return await keys.create(request.user, data)

    @delete("/{key_id:uuid}", permission="keys", operation_id="delete_api_key")
    @inject
    async def remove(
        self, request: Call, key_id: FromPath[UUID], keys: FromDishka[ManageApiKeys]
    ) -> None:
        """Delete an API key

        It is good no more at once.
        """
        await keys.delete(request.user, key_id)
