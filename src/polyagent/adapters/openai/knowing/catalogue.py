"""What a service says of its models, and what it taught us of them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from polyagent.adapters.openai.breaker import Breaker
from polyagent.adapters.openai.failures import Silent, failure_of, wire_errors
from polyagent.adapters.openai.knowing.habits import FORMATS, Habits, kind_of
from polyagent.adapters.openai.knowing.listing import Listing, listed
from polyagent.adapters.openai.local import is_packaged
from polyagent.adapters.openai.wire import Wire
from polyagent.domain.errors import ModelServiceUnavailable, ModelUnknown
from polyagent.domain.model import DEFAULT_WINDOW_TOKENS, ModelInfo, Prompt
from polyagent.domain.usage import Usage
from polyagent.ports.clock import Clock
from polyagent.settings import Ai

FRESH_S = 300.0
RETRY_S = 10.0  # an old listing serves so long before a service that was away is asked again
LIMIT_S = 10.0
NEVER = -1.0  # no listing is younger
MAX_LISTING_BYTES = 16 * 1024 * 1024
NAMES_SHOWN = 10
UNNAMED = "default"  # for services that list no models: most of those take any name
MAX_LEARNED = 1000  # models; where a service takes any name, its callers make them up

_UNTAUGHT = Habits()


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
        self._learned: dict[str, dict[str, float]] = {}
        self._taken: set[str] = set()

    @property
    def is_away(self) -> bool:
        """Whether the service never listed its models, and could not be asked just now."""
        return self._listing is None and self._clock.monotonic() < self._retry_at

    async def name(self, model: str | None) -> str:
        """Return what the service calls the model: the one asked for, the configured one, its first."""
        if named := model or self._settings.model:
            return named
        listing = await self.listing()
        return next(iter(listing.models or ()), UNNAMED)

    async def info(self, model: str | None) -> ModelInfo:
        listing = await self.listing()
        name = await self.name(model)
        if name != self._settings.model and not listing.has(name):
            names = ", ".join(sorted(listing.models or ())[:NAMES_SHOWN])
            raise ModelUnknown(f"The model service has no model {name!r}. It has: {names}.")
        return self.of(name, listing)

    async def takes(self, model: str) -> bool | None:
        """Return whether the model may be asked for here, None while nobody knows; waits for no service that is away."""
        if model == self._settings.model:
            return True
        if self.is_away:
            return None
        try:
            return (await self.listing()).has(model)
        except ModelServiceUnavailable:
            return None

    async def infos(self) -> Sequence[ModelInfo]:
        listing = await self.listing()
        names = listing.models or [await self.name(None)]
        return [self.of(name, listing) for name in names]

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

    async def look(self, max_age_s: float) -> None:
        """Ask for the list if it is old, or calls were not answered: it shows when they will be again."""
        await self.listing_of_the_last(NEVER if self._breaker.is_open else max_age_s)

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

    def habits(self, model: str) -> Habits:
        if not (learned := self._learned.get(model)):
            return _UNTAUGHT
        now = self._clock.monotonic()
        dropped = [habit for habit, until in learned.items() if now < until]
        return msgspec.structs.replace(_UNTAUGHT, **dict.fromkeys(dropped, False))

    def refused(self) -> dict[str, list[str]]:
        """Return by model what its service refused."""
        told = {model: self.habits(model).refused() for model in self._learned}
        return {model: refused for model, refused in told.items() if refused}

    def taken(self) -> list[str]:
        """Return what the service was seen to take or tell, of any of its models."""
        return sorted(self._taken)

    def learn_taken(self, habits: Habits, prompt: Prompt, usage: Usage) -> None:
        if prompt.tools:
            self._taken.add("tools")
        kind = kind_of(habits.format_for(prompt.response_format))
        if kind in FORMATS:
            self._taken.add(kind)
        if not usage.estimated:
            self._taken.add("usage")

    def learn(self, model: str, *dropped: str) -> None:
        """Drop habits until the time of the next probe: a model may be served otherwise by then."""
        if dropped:
            until = self._clock.monotonic() + self._settings.probe_s
            self._learned.setdefault(model, {}).update(dict.fromkeys(dropped, until))
            _forget_the_first(self._learned)

    def learn_window(self, model: str, window_tokens: int) -> None:
        self._windows[model] = window_tokens
        _forget_the_first(self._windows)

    def of(self, name: str, listing: Listing) -> ModelInfo:
        """Return what is known of a model: configured, learned from refusals, listed."""
        packaged = is_packaged(name)
        told, habits = listing.of(name), self.habits(name)
        window = self._settings.context_tokens or self._windows.get(name) or told.window_tokens
        return ModelInfo(
            name=name,
            service=self._host,
            window_tokens=window or DEFAULT_WINDOW_TOKENS,
            window_guessed=window is None,
            tools=not packaged and habits.takes_tools,
            images=False if packaged or not habits.takes_images else told.images,
            demonstration=packaged,
            price=self._settings.prices.get(name),
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
            return Listing(listed(body), now)
        failure = failure_of(status, body)
        if isinstance(failure, ModelServiceUnavailable):
            raise failure
        return Listing(None, now, failure.detail if status in (401, 403) else None)


def _forget_the_first(learned: dict[str, Any]) -> None:
    if len(learned) > MAX_LEARNED:
        del learned[next(iter(learned))]
