"""Model services over the OpenAI protocol."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide

from polyagent.adapters.openai.address import Address
from polyagent.adapters.openai.client import ModelServiceProbe, OpenAIModels
from polyagent.adapters.openai.service import Service
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.settings import Ai


class OpenAIProvider(Provider):
    scope = Scope.APP

    @provide
    async def models(self, settings: Ai, clock: Clock) -> AsyncIterator[Models]:
        if settings.url is None:
            yield OpenAIModels(None)
            return
        service = Service(settings, Address.parse(settings.url), clock)
        yield OpenAIModels(service)
        await service.aclose()

    @provide
    def probe(self, models: Models) -> ModelServiceProbe:
        return ModelServiceProbe(models)
