"""Documents that lack vectors get them: every worker looks for some, and none is needed in particular."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from polyagent.domain.errors import PolyAgentError, Unavailable, VectorsImpossible
from polyagent.ports.clock import Clock
from polyagent.usecases.documents.embed import EmbedDocuments

LOOK_S = 5.0
HOPELESS_S = 60.0

log = structlog.get_logger("polyagent.documents")


class Embedder:
    def __init__(self, embed: EmbedDocuments, clock: Clock) -> None:
        self._embed = embed
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Embed what lacks vectors, if a service is configured, until the block ends."""
        looking = asyncio.create_task(self._looks()) if self._embed.is_wanted else None
        try:
            yield
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _looks(self) -> None:
        while True:
            await self._clock.sleep(await self._pause_s())

    async def _pause_s(self) -> float:
        """Embed until nothing lacks vectors, and return how long to wait before looking again."""
        try:
            while await self._embed():
                pass
        except VectorsImpossible as error:
            log.warning("documents.vectors_impossible", detail=error.detail)
            return HOPELESS_S
        except Unavailable as error:
            log.debug("documents.embedding_failed", error=str(error))
        except PolyAgentError as error:
            log.warning("documents.embedding_refused", code=error.code, detail=error.detail)
            return HOPELESS_S
        except Exception:
            log.exception("documents.embedding_died")
        return LOOK_S
