"""The services that documents are found with."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide
from msgspec.structs import replace

from polyagent.adapters.openai.ranking.asking import Asking
from polyagent.adapters.openai.ranking.embeddings import NoEmbeddings, OpenAIEmbeddings
from polyagent.adapters.openai.ranking.reranker import NoReranker, ServiceReranker
from polyagent.ports.clock import Clock
from polyagent.ports.documents.embeddings import Embeddings, Reranker
from polyagent.settings import Ai, Documents, EmbeddingService, RerankService, SettingsError


class RankingProvider(Provider):
    scope = Scope.APP

    @provide
    async def embeddings(
        self, documents: Documents, ai: Ai, clock: Clock
    ) -> AsyncIterator[Embeddings]:
        service = documents.embeddings
        if service is None:
            yield NoEmbeddings()
            return
        asking = Asking(_at(service, ai), clock)
        yield OpenAIEmbeddings(service, asking)
        await asking.wire.aclose()

    @provide
    async def reranker(self, documents: Documents, ai: Ai, clock: Clock) -> AsyncIterator[Reranker]:
        service = documents.rerank
        if service is None:
            yield NoReranker()
            return
        asking = Asking(_at(service, ai), clock)
        yield ServiceReranker(service, asking)
        await asking.wire.aclose()


def _at(service: EmbeddingService | RerankService, ai: Ai) -> Ai:
    """Return how a service is reached: at its own address with its own key, else as the first of `ai`."""
    if service.url is not None:
        return replace(ai, url=service.url, key=service.key, services=())
    if not ai.each():
        raise SettingsError("documents.embeddings.url is null, and so is ai.url: set one of them.")
    first = ai.each()[0]
    return first if service.key is None else replace(first, key=service.key)
