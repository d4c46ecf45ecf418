import hmac

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get

from polyagent.adapters.http.actor import bearer
from polyagent.adapters.http.call import Call
from polyagent.domain.errors import Unauthenticated
from polyagent.ports.telemetry import Exposition
from polyagent.settings import Server


class MetricsController(Controller):
    path = "/metrics"
    tags = ("Operation",)

    @get("/", permission="public", operation_id="get_metrics", media_type="text/plain")
    @inject
    async def metrics(
        self, request: Call, exposition: FromDishka[Exposition], settings: FromDishka[Server]
    ) -> Response[bytes]:
        """Read the metrics of this process

        For Prometheus. Where `server.metrics_token` is set, that is the bearer token.
        """
        if settings.metrics_token is not None:
            token = bearer(request.headers.get("authorization"))
            if not hmac.compare_digest(token.encode(), settings.metrics_token.encode()):
                raise Unauthenticated("This is not the token of server.metrics_token.")
        return Response(exposition.render(), media_type="text/plain; version=0.0.4")
