import asyncio

import msgspec
from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, get
from litestar.di import NamedDependency

from polyagent.adapters.http.actor import bearer
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.drain import Drain
from polyagent.domain.errors import Stopping, StoreUnavailable, Unauthenticated, Unavailable
from polyagent.domain.health import Health
from polyagent.usecases.authenticate import Authenticate
from polyagent.usecases.health import CheckHealth, in_time


class Alive(msgspec.Struct, frozen=True):
    status: str = "ok"


class HealthController(Controller):
    path = "/health"
    tags = ("Operation",)

    @get("/", permission="public", operation_id="get_health")
    @inject
    async def health(
        self,
        request: Call,
        check: FromDishka[CheckHealth],
        authenticate: FromDishka[Authenticate],
    ) -> Health:
        """Read how the server is

        Always 200: `degraded` means that a component is not ok. What is wrong, and what the components
        are called, is told to administrators: to whoever sends no token of one, `detail` is null.
        """
        asker = in_time(_is_admin(request, authenticate), late=False)
        found, is_admin = await asyncio.gather(check(), asker)
        return found if is_admin else found.neutral

    @get("/live", permission="public", operation_id="get_liveness")
    async def live(self) -> Alive:
        """Say that this process answers"""
        return Alive()

    @get(
        "/ready",
        permission="public",
        operation_id="get_readiness",
        fails=(Stopping, StoreUnavailable),
    )
    @inject
    async def ready(self, check: FromDishka[CheckHealth], drain: NamedDependency[Drain]) -> Alive:
        """Say whether this process takes requests

        503 while it stops, and while its database is away.
        """
        if drain.has_begun:
            raise Stopping("This process is about to end.")
        vital = await check.vital()
        if vital.status not in ("ok", "degraded"):
            raise StoreUnavailable("The database is away.")
        return Alive()


async def _is_admin(request: Call, authenticate: Authenticate) -> bool:
    """Say whether the credentials are an administrator's; with none, or bad ones, one is a stranger."""
    try:
        token = bearer(request.headers.get("authorization"))
        return (await authenticate(await authenticate.claims(token))).is_admin
    except (Unauthenticated, Unavailable):
        return False
