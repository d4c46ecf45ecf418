from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import paged
from polyagent.adapters.http.call import Call
from polyagent.domain.errors import AddressRefused, Conflict, EventUnknown, TooManyOpen
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.webhook import Delivery, MadeWebhook, NewWebhook, PatchWebhook, Webhook
from polyagent.usecases.webhooks import ManageWebhooks

WEBHOOK = "/{webhook_id:uuid}"


class WebhookController(Controller):
    path = "/api/v1/webhooks"
    tags = ("Webhooks",)

    @get("/", permission="tasks:read", operation_id="list_webhooks")
    @inject
    async def list_webhooks(
        self, request: Call, page: NamedDependency[PageAsk], webhooks: FromDishka[ManageWebhooks]
    ) -> Response[Page[Webhook]]:
        """List webhooks

        Your own; an administrator's list has everybody's.
        """
        return paged(request, await webhooks.list(request.user, page))

    @post(
        "/",
        permission="tasks:write",
        operation_id="create_webhook",
        fails=(AddressRefused, EventUnknown, TooManyOpen),
    )
    @inject
    @once
    async def create(
        self, request: Call, data: JSONBody[NewWebhook], webhooks: FromDishka[ManageWebhooks]
    ) -> MadeWebhook:
        """Make a webhook

        It hears of your runs and tasks. `secret` is shown this once: it signs what is sent, as
        Standard Webhooks says.
        """
        return await webhooks.create(request.user, data)

    @get(WEBHOOK, permission="tasks:read", operation_id="get_webhook")
    @inject
    async def read(
        self, request: Call, webhook_id: FromPath[UUID], webhooks: FromDishka[ManageWebhooks]
    ) -> Webhook:
        """Read a webhook"""
        return await webhooks.get(request.user, webhook_id)

    @patch(
        WEBHOOK,
        permission="tasks:write",
        operation_id="update_webhook",
        fails=(AddressRefused, EventUnknown),
    )
    @inject
    async def change(
        self,
        request: Call,
        webhook_id: FromPath[UUID],
        data: JSONBody[PatchWebhook],
        webhooks: FromDishka[ManageWebhooks],
    ) -> Webhook:
        """Change a webhook

        `status: active` lets one that was disabled hear again.
        """
        return await webhooks.change(request.user, webhook_id, data)

    @delete(WEBHOOK, permission="tasks:write", operation_id="delete_webhook")
    @inject
    async def remove(
        self, request: Call, webhook_id: FromPath[UUID], webhooks: FromDishka[ManageWebhooks]
    ) -> None:
        """Delete a webhook

        What is on its way to it is not sent any more.
        """
        await webhooks.delete(request.user, webhook_id)

    @post(
        f"{WEBHOOK}/rotate",
        status_code=200,
        permission="tasks:write",
        operation_id="rotate_webhook_secret",
    )
    @inject
    @once
    async def rotate(
        self, request: Call, webhook_id: FromPath[UUID], webhooks: FromDishka[ManageWebhooks]
    ) -> MadeWebhook:
        """Replace a webhook's secret

        For a day what is sent is signed with the one before too.
        """
        return await webhooks.rotate(request.user, webhook_id)

    @post(
        f"{WEBHOOK}/test",
        status_code=202,
        permission="tasks:write",
        operation_id="test_webhook",
        fails=(Conflict,),
    )
    @inject
    @once
    async def ping(
        self, request: Call, webhook_id: FromPath[UUID], webhooks: FromDishka[ManageWebhooks]
    ) -> Delivery:
        """Send a webhook an event of the type `ping`"""
        return await webhooks.ping(request.user, webhook_id)

    @get(
        f"{WEBHOOK}/deliveries",
        permission="tasks:read",
        operation_id="list_webhook_deliveries",
    )
    @inject
    async def deliveries(
        self,
        request: Call,
        webhook_id: FromPath[UUID],
        page: NamedDependency[PageAsk],
        webhooks: FromDishka[ManageWebhooks],
    ) -> Response[Page[Delivery]]:
        """List what was sent to a webhook

        Each with its attempts, and what came of them.
        """
        return paged(request, await webhooks.deliveries(request.user, webhook_id, page))

    @post(
        f"{WEBHOOK}/deliveries/{{delivery_id:uuid}}/redeliver",
        status_code=202,
        permission="tasks:write",
        operation_id="redeliver_webhook",
        fails=(Conflict,),
    )
    @inject
    @once
    async def redeliver(
        self,
        request: Call,
        webhook_id: FromPath[UUID],
        delivery_id: FromPath[UUID],
        webhooks: FromDishka[ManageWebhooks],
    ) -> Delivery:
        """Send something to a webhook again

        Under the `webhook-id` that it had.
        """
        return await webhooks.redeliver(request.user, webhook_id, delivery_id)
