"""Health, metrics, and the pages about problems."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest
from dishka import Provider, Scope, provide

from polyagent.adapters.http import errors as http_errors
from polyagent.adapters.http.catalogue import CATALOGUE
from polyagent.domain import errors
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.health import Component
from polyagent.domain.queue import Entry
from polyagent.ports.queue import Backlog
from polyagent.usecases.health import CheckHealth
from tests.api.client import LIMIT_S
from tests.api.house import SETTINGS, House, lived_in

OK = Component(status="ok")
INTERNAL_TO_US = {
    *("fenced", "migration_impossible", "space_gone", "tool_failed", "vectors_impossible")
}


class Always:
    """A component that never changes."""

    def __init__(self, component: Component) -> None:
        self._component = component

    async def check(self) -> Component:
        return self._component


class Hanging(Always):
    """A component of which nobody hears until the test is over; to cancel the question takes as long."""

    def __init__(self) -> None:
        super().__init__(Component(status="ok"))
        self.over = asyncio.Event()

    async def check(self) -> Component:
        while not self.over.is_set():
            with suppress(asyncio.CancelledError):
                await self.over.wait()
        return await super().check()


class HangingStore(Provider):
    """Its database answers no question about who asks or what waits."""

    scope = Scope.APP
    override = True

    def __init__(self, hanging: Hanging) -> None:
        super().__init__()
        self._hanging = hanging

    @provide
    def backlog(self) -> Backlog:
        return HangingBacklog(self._hanging)


class HangingBacklog:
    def __init__(self, hanging: Hanging) -> None:
        self._hanging = hanging

    async def page(self, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        raise NotImplementedError

    async def depth(self) -> Mapping[str, int]:
        await self._hanging.check()
        return {"queued": 1}


async def test_health_answers_while_a_component_hangs() -> None:
    hanging = Hanging()
    try:
        async with asyncio.timeout(LIMIT_S):
            health = await CheckHealth({"postgres": hanging, "redis": Always(OK)})()
            vital = await CheckHealth({"postgres": hanging}).vital()
    finally:
        hanging.over.set()

    assert health.status == "degraded"
    assert [each.status for each in health.components.values()] == ["down", "ok"]
    assert vital.status == "down"


async def test_metrics_answer_while_the_database_hangs() -> None:
    hanging = Hanging()
    async with House(SETTINGS, HangingStore(hanging)).open() as house:
        try:
            answer = await house.nobody.get("/metrics")
        finally:
            hanging.over.set()

    assert answer.status == 200
    assert b"polyagent_component_up" in answer.body
    assert b'polyagent_runs_unfinished{status="queued"}' not in answer.body


async def test_health_shows_every_component(house: House) -> None:
    house.postgres.component = Component(status="down", detail="refused")

    answer = await house.nobody.get("/health")

    assert answer.status == 200
    assert answer.json["status"] == "degraded"
    assert answer.json["components"]["postgres"]["status"] == "down"


async def test_health_tells_names_to_administrators_alone(house: House) -> None:
    facts = {"service": "models.example.com", "demonstration": True}
    house.postgres.component = Component(
        status="degraded", latency_ms=1.5, detail="No answer from models.example.com.", facts=facts
    )

    strangers = [
        await client.get("/health")
        for client in (house.nobody, house.ann, house.nobody.with_token("nonsense"))
    ]
    told = await house.root.get("/health")

    for answer in strangers:
        assert answer.status == 200
        assert answer.json["components"]["postgres"] == {
            "status": "degraded",
            "latency_ms": 1.5,
            "detail": None,
            "facts": {"demonstration": True},
        }
    assert told.json["components"]["postgres"]["facts"] == facts
    assert told.json["components"]["postgres"]["detail"]


async def test_metrics_tell_names_of_model_services_to_whoever_has_their_token() -> None:
    component = Component(status="ok", facts={"service": "models.example.com"})
    async with lived_in() as all_read, lived_in(metrics_token="sesame") as some_read:
        for house in (all_read, some_read):
            probe = (await house.container.get(CheckHealth))._probes
            probe["model_service"] = Always(component)

        to_all = await all_read.nobody.get("/metrics")
        to_some = await some_read.nobody.with_token("sesame").get("/metrics")

    assert b'polyagent_model_service_up{service="1"} 1.0' in to_all.body
    assert b"models.example.com" not in to_all.body
    assert b'polyagent_model_service_up{service="models.example.com"} 1.0' in to_some.body


async def test_a_process_is_ready_while_its_database_is_there(house: House) -> None:
    ready = await house.nobody.get("/health/ready")
    house.postgres.component = Component(status="down")

    away = await house.nobody.get("/health/ready")

    assert ready.status == 200
    away.as_problem(503, "store_unavailable")
    assert away.headers["retry-after"] == "1"
    assert (await house.nobody.get("/health/live")).status == 200


async def test_a_stopping_process_is_not_ready(house: House) -> None:
    house.drain.begin()

    answer = await house.nobody.get("/health/ready")

    answer.as_problem(503, "stopping")


async def test_metrics_count_requests_by_their_template(house: House) -> None:
    agent = await house.agent(house.ann)
    await house.ann.get(f"/api/v1/agents/{agent['id']}")
    await house.ann.get("/nowhere/at/all")

    answer = await house.nobody.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'route="/api/v1/agents/{agent_id}",status="200"' in answer.body
    assert b'route="unmatched",status="404"' in answer.body
    assert agent["id"].encode() not in answer.body


async def test_metrics_may_have_a_token_of_their_own() -> None:
    async with lived_in(metrics_token="sesame") as house:
        without = await house.nobody.get("/metrics")
        wrong = await house.ann.get("/metrics")
        right = await house.nobody.with_token("sesame").get("/metrics")

    without.as_problem(401, "unauthenticated")
    wrong.as_problem(401, "unauthenticated")
    assert right.status == 200


@pytest.mark.parametrize("code", sorted(CATALOGUE))
async def test_every_code_has_a_page(house: House, code: str) -> None:
    as_json = await house.nobody.get(f"/problems/{code}")
    as_page = await house.nobody.get(f"/problems/{code}", accept="text/html,*/*;q=0.8")

    assert as_json.json["code"] == code
    assert as_json.json["type"] == f"/problems/{code}"
    assert as_page.headers["content-type"] == "text/html; charset=utf-8"
    assert as_page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_code_that_is_none_has_no_page(house: House) -> None:
    answer = await house.nobody.get("/problems/gremlins")

    answer.as_problem(404, "not_found")


def test_every_error_of_ours_is_in_the_catalogue() -> None:
    kinds = [*vars(errors).values(), *vars(http_errors).values()]
    codes = {
        kind.code for kind in kinds if isinstance(kind, type) and issubclass(kind, PolyAgentError)
    }

    assert codes - INTERNAL_TO_US <= set(CATALOGUE)
