"""How one service is and what it can do, as far as that can be learned without a token."""

import asyncio
from typing import Any

from polyagent.adapters.openai.failures import wire_errors
from polyagent.adapters.openai.knowing.catalogue import Catalogue
from polyagent.adapters.openai.knowing.listing import Listing
from polyagent.adapters.openai.local import DETAIL, is_packaged
from polyagent.adapters.openai.wire import Wire
from polyagent.domain.errors import ModelServiceUnavailable
from polyagent.domain.health import Component
from polyagent.ports.clock import Clock

LIMIT_S = 2.0
FRESH_S = 5.0
NAMES_SHOWN = 20
EMBEDDINGS_LIMIT_S = 10.0
NO_SUCH_ROUTE = (404, 405, 501)
UNDERSTOOD = (200, 400, 422)


class Health:
    def __init__(self, wire: Wire, host: str, catalogue: Catalogue, clock: Clock) -> None:
        self._wire = wire
        self._host = host
        self._catalogue = catalogue
        self._clock = clock
        self._embeds: bool | None = None

    async def check(self) -> Component:
        began_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(LIMIT_S):
                listing = await self._catalogue.listing_of_the_last(FRESH_S)
                default = await self._catalogue.name(None)
        except TimeoutError:
            return self._down("No answer within two seconds.")
        except ModelServiceUnavailable as error:
            return self._down(error.detail)
        return Component(
            status="down" if listing.problem else "ok",
            latency_ms=round((self._clock.monotonic() - began_s) * 1000, 2),
            detail=DETAIL if is_packaged(default) else listing.problem,
            facts={
                "service": self._host,
                "models": list(listing.models or ())[:NAMES_SHOWN],
                "default_model": default,
                "demonstration": is_packaged(default),
                **self._learned(default, listing),
            },
        )

    async def probe(self) -> bool:
        """Look at the list, and once at whether embeddings are made; False if the service does not answer."""
        try:
            await self._catalogue.look(FRESH_S)
            if self._embeds is None and not is_packaged(await self._catalogue.name(None)):
                self._embeds = await self._makes_embeddings()
        except ModelServiceUnavailable:
            return False
        return True

    async def _makes_embeddings(self) -> bool | None:
        """Ask for nothing: a service that makes embeddings complains of what is missing, and charges nothing."""
        with wire_errors():
            async with asyncio.timeout(EMBEDDINGS_LIMIT_S):
                response = await self._wire.embeddings(b"{}")
                await response.aclose()
        status = response.status_code
        return False if status in NO_SUCH_ROUTE else True if status in UNDERSTOOD else None

    def _learned(self, default: str, listing: Listing) -> dict[str, Any]:
        """Return what is known beyond the names, for models that everybody may know of."""
        told = self._catalogue.of(default, listing)
        names = {default, *(listing.models or ())}
        learned = {
            "context_tokens": told.window_tokens,
            "images": told.images,
            "embeddings": self._embeds,
            "embedding_widths": {n: m.width for n, m in (listing.models or {}).items() if m.width},
            "taken": self._catalogue.taken(),
            "refused": {n: w for n, w in self._catalogue.refused().items() if n in names},
        }
        return {name: value for name, value in learned.items() if value not in (None, {}, [])}

    def _down(self, detail: str) -> Component:
        return Component(status="down", detail=detail, facts={"service": self._host})
