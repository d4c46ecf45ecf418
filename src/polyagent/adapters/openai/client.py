"""The model services that are configured, the first one before those that stand in for it."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Literal

from polyagent.adapters.openai.service import Service
from polyagent.domain.errors import ModelServiceMissing, ModelServiceUnavailable, ModelUnknown
from polyagent.domain.health import Component
from polyagent.domain.model import ModelDelta, ModelInfo, Prompt
from polyagent.ports.models import Models

MISSING = (
    "No model service is configured: set PYTHON_AI_URL to one that speaks the OpenAI protocol, "
    "or run `polyagent up`, which starts a local model."
)


class OpenAIModels:
    """Goes to the next service where one is away or does not know the model, but never after a first delta."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services

    def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        if len(self._services) == 1:
            return self._services[0].stream(prompt)
        return self._first_answer(prompt)

    async def info(self, model: str | None) -> ModelInfo:
        """Return what is known of the model at the first service that has it and can be asked."""
        failures: list[ModelServiceUnavailable | ModelUnknown] = []
        for service in sorted(await self._with(model), key=lambda service: service.is_away):
            try:
                return await service.info(model)
            except (ModelServiceUnavailable, ModelUnknown) as error:
                failures.append(error)
        raise _worst(failures)

    async def list(self) -> Sequence[ModelInfo]:
        """Return the models of every service that answers; of two by one name, that of the first service."""
        found = await asyncio.gather(
            *(service.infos() for service in self._configured()), return_exceptions=True
        )
        models: dict[str, ModelInfo] = {}
        for infos in found:
            if isinstance(infos, BaseException):
                if not isinstance(infos, ModelServiceUnavailable):
                    raise infos
                continue
            models = {info.name: info for info in infos} | models
        if not models:
            raise next(error for error in found if isinstance(error, BaseException))
        return [*models.values()]

    async def health(self) -> Component:
        if not self._services:
            return Component(status="missing", detail=MISSING)
        found = await asyncio.gather(*(service.health() for service in self._services))
        return found[0] if len(found) == 1 else _together(found)

    @property
    def is_one_away(self) -> bool:
        """Whether a service is known to be silent: no call goes to it until a probe was answered."""
        return any(service.is_away for service in self._services)

    async def probe(self) -> bool:
        """Look at what the services can do; False if one of them does not answer."""
        return all(await asyncio.gather(*(service.probe() for service in self._services)))

    async def _first_answer(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        failures: list[ModelServiceUnavailable | ModelUnknown] = []
        *others, last = await self._with(prompt.model)
        for service in (*others, last):
            try:
                async with aclosing(service.stream(prompt, is_last=service is last)) as answer:
                    async for delta in answer:
                        yield delta
            except (ModelServiceUnavailable, ModelUnknown) as error:  # only before the first delta
                failures.append(error)
            else:
                return
        raise _worst(failures)

    async def _with(self, model: str | None) -> Sequence[Service]:
        """Return the services that have a model (None: their own default), at least one.

        Where none is known to have it, one that is away may. Raises `ModelUnknown`.
        """
        services = self._configured()
        if model is None or len(services) == 1:
            return services
        takes = await asyncio.gather(*(service.takes(model) for service in services))
        sure = [service for service, taken in zip(services, takes, strict=True) if taken]
        possible = [
            service for service, taken in zip(services, takes, strict=True) if taken is None
        ]
        if not sure and not possible:
            raise ModelUnknown(f"None of the {len(services)} model services has a model {model!r}.")
        return sure or possible

    def _configured(self) -> Sequence[Service]:
        if not self._services:
            raise ModelServiceMissing(MISSING)
        return self._services


class ModelServiceProbe:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def check(self) -> Component:
        return await self._models.health()


def _worst(
    failures: Iterable[ModelServiceUnavailable | ModelUnknown],
) -> ModelServiceUnavailable | ModelUnknown:
    """Return the failure to tell: a service that is away may have the model that another does not know.

    Of several that are away, the one that is back first says when to come again.
    """
    away = [failure for failure in failures if isinstance(failure, ModelServiceUnavailable)]
    return min(away, key=lambda failure: failure.retry_after_s) if away else next(iter(failures))


def _together(found: Sequence[Component]) -> Component:
    """Return one component for several services: as good as the best, less if any is not."""
    good = [component for component in found if component.status == "ok"]
    best = good[0] if good else found[0]
    status: Literal["ok", "degraded"] = "ok" if len(good) == len(found) else "degraded"
    away = [str(c.facts.get("service")) for c in found if c.status != "ok"]
    detail = f"Not answering: {', '.join(away)}." if away else best.detail
    services = [
        {"status": c.status, "latency_ms": c.latency_ms, "detail": c.detail, **c.facts}
        for c in found
    ]
    return Component(
        status=status if good else "down",
        latency_ms=best.latency_ms,
        detail=detail,
        facts={**best.facts, "services": services},
    )
