"""Looking at everything that a server stands on."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

from polyagent.adapters.blobs.blobs import DIRECTORY
from polyagent.adapters.blobs.checkup import checkup as storage
from polyagent.adapters.extraction.checkup import checkup as extraction
from polyagent.adapters.postgres.checkup.checkup import checkup as postgres
from polyagent.adapters.redis.checkup import checkup as redis
from polyagent.adapters.system.clock import SystemClock
from polyagent.app.ground import data_dir, joined, settled
from polyagent.domain.account import Actor
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.finding import Finding, Subject, ok, problem, warning
from polyagent.domain.health import Component
from polyagent.ports.documents.embeddings import Embeddings
from polyagent.ports.models import Models
from polyagent.settings import Settings
from polyagent.usecases.accounts import ADMIN, ManageAccounts

LIMIT_S = 10.0
TOKEN_S = 60
BESIDE = ("status", "detail")  # told beside the other facts of a service

Tell = Callable[[Finding], None]


async def examine(settings: Settings, tell: Tell) -> None:
    """Tell what is found as it is found; each outside thing has ten seconds.

    One after the other: what one imports would eat the time of another's answer.
    """
    if sys.platform == "win32":
        tell(warning("machine", "engines do not run on Windows", "use WSL2, or a server elsewhere"))
        ground, up = settings, None
    else:
        up = _running(settings)
        for finding in _here(settings, up):
            tell(finding)
        ground = _ground(settings, up, tell)
    for subject, findings in _outside(ground, up):
        await _within(subject, findings, tell)


def _running(settings: Settings) -> str | None:
    """Return the address of the data directory's `up`; what cannot be read is told by its checkup."""
    from polyagent.adapters.engines.endpoints import running

    try:
        found = running(data_dir(settings))
    except (PolyAgentError, OSError):
        return None
    return found.server_url if found else None


def _here(settings: Settings, up: str | None) -> Iterator[Finding]:
    """Look at this machine and what runs on it."""
    from polyagent.adapters.engines.checkup import machine, place, server

    where = data_dir(settings)
    yield from machine.machine()
    yield from place.place(where)
    yield from server.exposed(settings.server)
    yield from machine.engines(settings, running=up is not None)
    yield server.listening(settings.server) if up is None else server.running(up)
    if up is None and not (settings.database.url and settings.redis.url):
        yield problem("server", f"no `polyagent up` runs on {where}", "start it: polyagent up")


def _ground(settings: Settings, up: str | None, tell: Tell) -> Settings:
    """Return settings that name the engines that are there."""
    try:
        if up is not None:
            return joined(settings, wait_s=0)
        if settings.database.url and settings.redis.url:
            return settled(settings)
    except PolyAgentError as error:
        tell(problem("settings", error.detail))
    return settings


def _outside(
    settings: Settings, up: str | None
) -> Iterator[tuple[Subject, AsyncGenerator[Finding, None]]]:
    clock = SystemClock()
    if settings.database.url:
        processes, leeway_s = settings.server.workers + 1, settings.auth.leeway_s
        found = postgres(
            settings.database,
            clock,
            processes=processes,
            leeway_s=leeway_s,
            embeds=settings.documents.embeddings is not None,
        )
        yield "postgres", found
    if settings.redis.url:
        yield "redis", redis(settings.redis, clock)
    if settings.database.url:
        yield "documents", storage(settings.documents, data_dir(settings) / DIRECTORY)
        if sys.platform != "win32":
            yield "documents", extraction(settings.documents, clock)
    if not settings.ai.each() and up is not None:
        yield "model_service", _model_service_of(up, settings)
    elif settings.ai.each() or (settings.database.url and settings.redis.url):
        yield "model_service", _model_services(settings)
    if settings.documents.embeddings is not None:
        yield "model_service", _embeddings(settings)


async def _within(subject: Subject, findings: AsyncGenerator[Finding, None], tell: Tell) -> None:
    try:
        async with asyncio.timeout(LIMIT_S), aclosing(findings):
            async for finding in findings:
                tell(finding)
    except TimeoutError:
        tell(problem(subject, f"no answer within {LIMIT_S:.0f} seconds"))
    except PolyAgentError as error:
        tell(problem(subject, error.detail))


async def _model_service_of(up: str, settings: Settings) -> AsyncGenerator[Finding, None]:
    """Ask a server whose model service was named where it was started, not here."""
    from polyagent.adapters.engines.checkup.server import health
    from polyagent.app.library import container

    use_cases = container(settings)
    try:
        accounts = await use_cases.get(ManageAccounts)
        token = await accounts.token_for(Actor.system(), ADMIN, lifetime_s=TOKEN_S)
    finally:
        await use_cases.close()
    if (told := health(up, token)) is not None:
        for finding in _services(told.components["model_service"]):
            yield finding


async def _model_services(settings: Settings) -> AsyncGenerator[Finding, None]:
    from polyagent.app.library import container

    use_cases = container(settings)
    try:
        models = await use_cases.get(Models)
        health = await models.health()
        for finding in _services(health):
            yield finding
        for model in await models.list() if health.status in ("ok", "degraded") else ():
            eyes = {True: ", images", False: ", no images", None: ""}[model.images]
            tools = "tools" if model.tools else "no tools"
            text = f"{model.name} at {model.service}: {model.window_tokens} tokens, {tools}{eyes}"
            yield ok("model_service", text)
    finally:
        await use_cases.close()


async def _embeddings(settings: Settings) -> AsyncGenerator[Finding, None]:
    from polyagent.app.library import container

    use_cases = container(settings)
    try:
        embeddings = await use_cases.get(Embeddings)
        recipe = embeddings.wanted()
        assert recipe is not None  # noqa: S101  # it is configured
        (vector,) = await embeddings.embed(recipe, ["a"], "query")
        yield ok("model_service", f"embeddings by {recipe.model}: {len(vector)} numbers")
    except PolyAgentError as error:
        text = f"no embeddings, documents are found by words: {error.detail}"
        yield problem("model_service", text, "check documents.embeddings and the service")
    finally:
        await use_cases.close()


def _services(component: Component) -> Iterator[Finding]:
    """Tell of each service by itself where there are several."""
    several = component.facts.get("services", ())
    if not several:
        yield _service(component)
    for facts in several:
        told = {
            name: fact for name, fact in facts.items() if name not in BESIDE and fact is not None
        }
        yield _service(Component(status=facts["status"], detail=facts["detail"], facts=told))


def _service(component: Component) -> Finding:
    facts = [f"{name.replace('_', ' ')} {_plain(value)}" for name, value in component.facts.items()]
    if component.latency_ms is not None:
        facts.append(f"{component.latency_ms:.1f} ms")
    text = "; ".join(filter(None, (", ".join(facts), component.detail))) or component.status
    match component.status:
        case "ok":
            return ok("model_service", text)
        case "degraded":
            return warning("model_service", text)
        case "missing":
            return problem("model_service", text)
        case "down":
            return problem("model_service", text, "check PYTHON_AI_URL, PYTHON_AI_KEY and it")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
