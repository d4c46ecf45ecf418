"""Model services over the OpenAI protocol."""

import asyncio
from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide

from polyagent.adapters.openai.address import Address
from polyagent.adapters.openai.client import ModelServiceProbe, OpenAIModels
from polyagent.adapters.openai.prober import probing
from polyagent.adapters.openai.service import Service
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.settings import Ai


class OpenAIProvider(Provider):
    scope = Scope.APP

    @provide
    async def models(self, settings: Ai, clock: Clock) -> AsyncIterator[Models]:
        services = [Service(ai, Address.parse(ai.url or ""), clock) for ai in settings.each()]
        models = OpenAIModels(services)
        async with probing(models, settings.probe_s):
            yield models
        await asyncio.gather(*(service.aclose() for service in services))

    @provide
    def probe(self, models: Models) -> ModelServiceProbe:
        return ModelServiceProbe(models)
