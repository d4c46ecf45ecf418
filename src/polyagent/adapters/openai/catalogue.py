"""What a service says of its models, and what it taught us of them."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from polyagent.adapters.openai.breaker import Breaker
from polyagent.adapters.openai.failures import Silent, failure_of, wire_errors
from polyagent.adapters.openai.local import is_packaged
from polyagent.adapters.openai.wire import Wire
from polyagent.domain.errors import ModelServiceUnavailable, ModelUnknown
from polyagent.domain.model import DEFAULT_WINDOW_TOKENS, ModelInfo
from polyagent.ports.clock import Clock
from polyagent.settings import Ai

FRESH_S = 300.0
RETRY_S = 10.0  # an old listing serves so long before a service that was away is asked again
LIMIT_S = 10.0
MAX_LISTING_BYTES = 16 * 1024 * 1024
NAMES_SHOWN = 10
UNNAMED = "default"  # for services that list no models: most of those take any name

_WINDOW_FIELDS = ("context_length", "max_model_len", "max_context_length", "context_window")
_META_FIELDS = ("n_ctx", "n_ctx_train")


class Listing(msgspec.Struct, frozen=True):
    """`windows` by name, None where the service does not list; `problem`: why it would not."""

    windows: dict[str, int | None] | None
    read_at: float
    problem: str | None = None


class Catalogue:
    def __init__(self, wire: Wire, host: str, settings: Ai, breaker: Breaker, clock: Clock) -> None:
        self._wire = wire
        self._host = host
        self._settings = settings
        self._breaker = breaker
        self._clock = clock
        self._reading = asyncio.Lock()
        self._listing: Listing | None = None
        self._failure: ModelServiceUnavailable | None = None
        self._retry_at = 0.0
        self._windows: dict[str, int] = {}
        self._without_tools: set[str] = set()

    async def name(self, model: str | None) -> str:
        """Return what the service calls the model: the one asked for, the configured one, its first."""
        if named := model or self._settings.model:
            return named
        listing = await self.listing()
        return next(iter(listing.windows or ()), UNNAMED)

    async def info(self, model: str | None) -> ModelInfo:
        listing = await self.listing()
        name = await self.name(model)
        known = listing.windows
        if known and name not in (*known, self._settings.model) and f"{name}:latest" not in known:
            names = ", ".join(sorted(known)[:NAMES_SHOWN])
            raise ModelUnknown(f"The model service has no model {name!r}. It has: {names}.")
        return self._info(name, listing)

    async def infos(self) -> Sequence[ModelInfo]:
        listing = await self.listing()
        names = listing.windows or [await self.name(None)]
        return [self._info(name, listing) for name in names]

    async def listing(self) -> Listing:
        """Return what the service lists, or listed when it last answered. Raises `ModelServiceUnavailable`."""
        if self._listing and self._clock.monotonic() < self._retry_at:
            return self._listing
        try:
            return await self.listing_of_the_last(FRESH_S)
        except ModelServiceUnavailable:
            if self._listing is None:
                raise
            return self._listing

    async def listing_of_the_last(self, max_age_s: float) -> Listing:
        """Ask for the list unless it is known and young; callers who meet share the request and its failure."""
        failure = self._failure
        async with self._reading:
            known = self._listing
            if known and self._clock.monotonic() - known.read_at <= max_age_s:
                return known
            if self._failure and self._failure is not failure:
                raise ModelServiceUnavailable(self._failure.detail)
            try:
                self._listing = await self._read()
            except ModelServiceUnavailable as error:
                self._failure = error
                self._retry_at = self._clock.monotonic() + RETRY_S
                raise
            return self._listing

    def learn_window(self, model: str, window_tokens: int) -> None:
        self._windows[model] = window_tokens

    def learn_without_tools(self, model: str) -> None:
        self._without_tools.add(model)

    def _info(self, name: str, listing: Listing) -> ModelInfo:
        packaged = is_packaged(name)
        window = (
            self._settings.context_tokens
            or self._windows.get(name)
            or (listing.windows or {}).get(name)
            or DEFAULT_WINDOW_TOKENS
        )
        return ModelInfo(
            name=name,
            service=self._host,
            window_tokens=window,
            tools=not packaged and name not in self._without_tools,
            images=False if packaged else None,
            demonstration=packaged,
        )

    async def _read(self) -> Listing:
        self._breaker.admit()
        try:
            with wire_errors():
                async with asyncio.timeout(LIMIT_S):
                    status, body = await self._wire.models(MAX_LISTING_BYTES)
        except Silent:
            self._breaker.silent()
            raise
        self._breaker.answered()
        now = self._clock.monotonic()
        if status == 200:
            return Listing(dict(_models(body)), now)
        failure = failure_of(status, body)
        if isinstance(failure, ModelServiceUnavailable):
            raise failure
        return Listing(None, now, failure.detail if status in (401, 403) else None)


def _models(body: bytes) -> Iterator[tuple[str, int | None]]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelServiceUnavailable("The model service lists its models in no JSON.") from error
    if isinstance(told, dict):
        told = told.get("data") or told.get("models")
    for model in told if isinstance(told, list) else ():
        if isinstance(model, dict) and isinstance(model.get("id"), str):
            yield model["id"], _window(model)


def _window(model: dict[str, Any]) -> int | None:
    meta = model.get("meta")
    told = [model.get(field) for field in _WINDOW_FIELDS]
    told += [meta.get(field) for field in _META_FIELDS] if isinstance(meta, dict) else []
    return next((size for size in told if isinstance(size, int) and size > 0), None)
