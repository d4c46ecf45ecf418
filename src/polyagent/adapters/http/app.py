"""The web application of one gateway process."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from dishka import AsyncContainer
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from polyagent.adapters.http.actor import Guard, require_permissions
from polyagent.adapters.http.admission import Admission
from polyagent.adapters.http.asks.paging import newest_first
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.docs import DocsController, docs_files
from polyagent.adapters.http.drain import Drain
from polyagent.adapters.http.edge.edge import Edge
from polyagent.adapters.http.errors import on_defect, on_error, on_framework_error
from polyagent.adapters.http.front.errors import fronted
from polyagent.adapters.http.front.routes import FrontController
from polyagent.adapters.http.openapi.document import Document
from polyagent.adapters.http.rates import RequestRates
from polyagent.adapters.http.reader import Reader
from polyagent.adapters.http.revocations import Revocations
from polyagent.adapters.http.routes.agents import AgentController
from polyagent.adapters.http.routes.api_keys import ApiKeyController
from polyagent.adapters.http.routes.audit import AuditController
from polyagent.adapters.http.routes.chat import ChatController
from polyagent.adapters.http.routes.document_search import DocumentSearchController
from polyagent.adapters.http.routes.document_upload import DocumentUploadController
from polyagent.adapters.http.routes.documents import DocumentController
from polyagent.adapters.http.routes.health import HealthController
from polyagent.adapters.http.routes.metrics import MetricsController
from polyagent.adapters.http.routes.problems import ProblemController
from polyagent.adapters.http.routes.runs import RunController
from polyagent.adapters.http.routes.schedules import ScheduleController
from polyagent.adapters.http.routes.sessions import SessionController
from polyagent.adapters.http.routes.stats import StatsController
from polyagent.adapters.http.routes.tasks import TaskController
from polyagent.adapters.http.routes.tickets import TicketController
from polyagent.adapters.http.routes.tools import ToolController
from polyagent.adapters.http.routes.users import UserController
from polyagent.adapters.http.routes.webhooks import WebhookController
from polyagent.adapters.http.socket import frames
from polyagent.adapters.http.socket.routes import SocketController
from polyagent.adapters.http.socket.sockets import Sockets
from polyagent.domain.errors import PolyAgentError
from polyagent.settings import Documents, Server, Settings
from polyagent.usecases.follow_run import FollowRun

FORM_BYTES = 1024 * 1024  # what a form has beside its file

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def build(
    container: AsyncContainer, settings: Settings, drain: Drain, *, lifespan: Sequence[Lifespan]
) -> Litestar:
    """Return the application over the use cases in `container`, which stays the caller's to close."""

    @asynccontextmanager
    async def draining(_: Litestar) -> AsyncIterator[None]:
        with drain.signalled():
            yield

    routes = _routes(settings.server, settings.documents)
    rates = RequestRates(container, settings.limits)
    admission = Admission(settings.limits.requests)
    revocations = Revocations(container)
    sockets = Sockets(container, settings, drain, rates, revocations)
    app = Litestar(
        route_handlers=[*routes, SocketController, DocsController, docs_files()],
        guards=[Guard(container, rates, admission)],
        dependencies=_dependencies(container, drain, routes, sockets, rates, revocations),
        exception_handlers={
            PolyAgentError: fronted(on_error),
            HTTPException: fronted(on_framework_error),
            Exception: fronted(on_defect),
        },
        request_class=Call,
        request_max_body_size=settings.server.max_body_bytes,
        lifespan=[draining, *lifespan, sockets.looking, revocations.looking],
        openapi_config=None,
        logging_config=None,
    )
    require_permissions(app.routes)
    frames.require_permissions()
    app.asgi_handler = Edge(
        app.asgi_handler, container, settings, rates, admission, methods=_methods(app)
    )
    return app


def _routes(settings: Server, documents: Documents) -> list[ControllerRouterHandler]:
    chatting = Router(
        "/",
        route_handlers=[ChatController, RunController, FrontController],
        request_max_body_size=settings.max_chat_bytes,
    )
    return [
        chatting,
        Router(
            "/",
            route_handlers=[DocumentUploadController],
            request_max_body_size=documents.max_upload_bytes + FORM_BYTES,
        ),
        *(
            UserController,
            AuditController,
            ApiKeyController,
            AgentController,
            SessionController,
            DocumentController,
            DocumentSearchController,
            ToolController,
            TaskController,
            ScheduleController,
            WebhookController,
            TicketController,
            StatsController,
        ),
        *(HealthController, MetricsController, ProblemController),
    ]


def _dependencies(
    container: AsyncContainer,
    drain: Drain,
    routes: list[ControllerRouterHandler],
    sockets: Sockets,
    rates: RequestRates,
    revocations: Revocations,
) -> dict[str, Provide]:
    async def reader(request: Call) -> Reader:
        held = partial(revocations.listening, request.auth, request.user)
        return Reader(await container.get(FollowRun), drain, held)

    found = {
        "page": Provide(newest_first, sync_to_thread=False),
        "reader": Provide(reader),
        "rates": Provide(lambda: rates, sync_to_thread=False),
        "drain": Provide(lambda: drain, sync_to_thread=False),
    }
    document = Document(routes, found)
    return {
        **found,
        "document": Provide(lambda: document, sync_to_thread=False),
        "sockets": Provide(lambda: sockets, sync_to_thread=False),
    }


def _methods(app: Litestar) -> dict[str, str]:
    """The methods of each template; the framework's handler for OPTIONS knows some of them."""
    return {
        route.path_format: ", ".join(route.methods)
        for route in app.routes
        if isinstance(route, HTTPRoute)
    }
