import asyncio
import hmac
from collections.abc import Mapping

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get

from polyagent.adapters.http.actor import authorization, bearer
from polyagent.adapters.http.call import Call
from polyagent.domain.errors import Unauthenticated, Unavailable
from polyagent.domain.health import Component, Health
from polyagent.ports.queue import Backlog, TaskBacklog
from polyagent.ports.telemetry import Exposition, Figure
from polyagent.settings import Server
from polyagent.usecases.health import CheckHealth, in_time


class MetricsController(Controller):
    path = "/metrics"
    tags = ("Operation",)

    @get(
        "/",
        permission="public",
        operation_id="get_metrics",
        media_type="text/plain",
        fails=(Unauthenticated,),
    )
    @inject
    async def metrics(
        self,
        request: Call,
        exposition: FromDishka[Exposition],
        check: FromDishka[CheckHealth],
        backlog: FromDishka[Backlog],
        task_backlog: FromDishka[TaskBacklog],
        settings: FromDishka[Server],
    ) -> Response[bytes]:
        """Read the metrics

        For Prometheus; those of all processes of one `serve` or `up` together. Where
        `server.metrics_token` is set, that is the bearer token, and model services have their names.
        """
        if settings.metrics_token is not None:
            token = bearer(authorization(request.headers))
            if not hmac.compare_digest(token.encode(), settings.metrics_token.encode()):
                raise Unauthenticated("This is not the token of server.metrics_token.")
        health, runs, tasks = await asyncio.gather(check(), _depth(backlog), _depth(task_backlog))
        figures = _figures(health, runs, tasks, named=settings.metrics_token is not None)
        return Response(exposition.render(figures), media_type="text/plain; version=0.0.4")


async def _depth(backlog: Backlog) -> Mapping[str, int]:
    try:
        return await in_time(backlog.depth(), {})
    except Unavailable:
        return {}


def _figures(
    health: Health, runs: Mapping[str, int], tasks: Mapping[str, int], *, named: bool
) -> list[Figure]:
    components = health.components
    return [
        Figure("polyagent_runs_unfinished", "Runs that have not ended.", "status", runs),
        Figure("polyagent_tasks_unfinished", "Tasks that have not ended.", "status", tasks),
        Figure(
            "polyagent_component_up",
            "1 if it is well.",
            "component",
            {name: float(found.status == "ok") for name, found in components.items()},
        ),
        Figure(
            "polyagent_component_seconds",
            "How long it took to answer.",
            "component",
            {name: (found.latency_ms or 0.0) / 1000 for name, found in components.items()},
        ),
        Figure(
            "polyagent_model_service_up",
            "1 if it answers and its circuit is closed.",
            "service",
            _services(components.get("model_service"), named=named),
        ),
    ]


def _services(found: Component | None, *, named: bool) -> dict[str, float]:
    """Return how each model service is, by its host or, for whoever asks, by its place: 1 is tried first.

    One that is alone is not listed among others.
    """
    if found is None or "service" not in found.facts:
        return {}
    alone = [{"service": found.facts["service"], "status": found.status}]
    services = found.facts.get("services", alone)
    return {
        str(each["service"]) if named else str(place): float(each["status"] == "ok")
        for place, each in enumerate(services, 1)
    }
