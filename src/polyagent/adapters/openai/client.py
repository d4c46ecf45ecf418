"""The model services that are configured: one, until several can stand in for each other."""

from collections.abc import AsyncGenerator, Sequence

from polyagent.adapters.openai.service import Service
from polyagent.domain.errors import ModelServiceMissing
from polyagent.domain.health import Component
from polyagent.domain.model import ModelDelta, ModelInfo, Prompt
from polyagent.ports.models import Models

MISSING = (
    "No model service is configured: set PYTHON_AI_URL to one that speaks the OpenAI protocol, "
    "or run `polyagent up`, which starts a local model."
)


class OpenAIModels:
    def __init__(self, service: Service | None) -> None:
        self._service = service

    def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        return self._configured().stream(prompt)

    async def info(self, model: str | None) -> ModelInfo:
        return await self._configured().info(model)

    async def list(self) -> Sequence[ModelInfo]:
        return await self._configured().infos()

    async def health(self) -> Component:
        if self._service is None:
            return Component(status="missing", detail=MISSING)
        return await self._service.health()

    def _configured(self) -> Service:
        if self._service is None:
            raise ModelServiceMissing(MISSING)
        return self._service


class ModelServiceProbe:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def check(self) -> Component:
        return await self._models.health()
