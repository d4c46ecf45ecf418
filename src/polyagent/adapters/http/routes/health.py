import msgspec
from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, get
from litestar.di import NamedDependency

from polyagent.adapters.http.drain import Drain
from polyagent.domain.errors import Stopping, StoreUnavailable
from polyagent.domain.health import Health
from polyagent.usecases.health import CheckHealth


class Alive(msgspec.Struct, frozen=True):
    status: str = "ok"


class HealthController(Controller):
    path = "/health"
    tags = ("Operation",)

    @get("/", permission="public", operation_id="get_health")
    @inject
    async def health(self, check: FromDishka[CheckHealth]) -> Health:
        """Read how the server is

        Always 200: `degraded` means that a component is not ok.
        """
        return await check()

    @get("/live", permission="public", operation_id="get_liveness")
    async def live(self) -> Alive:
        """Say that this process answers"""
        return Alive()

    @get("/ready", permission="public", operation_id="get_readiness")
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
