"""One model service: calls with retries, and what is known of it."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import httpx

from polyagent.adapters.openai.address import Address
from polyagent.adapters.openai.breaker import Breaker
from polyagent.adapters.openai.catalogue import Catalogue
from polyagent.adapters.openai.failures import Busy, Silent, failure_of, retry_after_s, wire_errors
from polyagent.adapters.openai.local import DETAIL, is_packaged
from polyagent.adapters.openai.reading.answer import Answer
from polyagent.adapters.openai.reading.stream import Deadlines, deltas
from polyagent.adapters.openai.request import Habits, body_of
from polyagent.adapters.openai.wire import Wire
from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceBroken,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ModelUnknown,
    PolyAgentError,
    ToolsRefused,
)
from polyagent.domain.health import Component
from polyagent.domain.model import ModelDelta, ModelInfo, Prompt
from polyagent.ports.clock import Clock
from polyagent.settings import Ai

FIRST_PAUSE_S = 0.25
LAST_PAUSE_S = 8.0
MAX_RETRY_AFTER_S = 10.0
HEALTH_LIMIT_S = 2.0
HEALTH_FRESH_S = 5.0
NAMES_SHOWN = 20


class Service:
    """At most `max_concurrency` calls at once: a stream keeps its place to its end, a pause keeps none."""

    def __init__(self, settings: Ai, address: Address, clock: Clock) -> None:
        self._settings = settings
        self._host = address.host
        self._clock = clock
        self._wire = Wire(address, settings)
        self._breaker = Breaker(clock)
        self._catalogue = Catalogue(self._wire, address.host, settings, self._breaker, clock)
        self._places = asyncio.Semaphore(settings.max_concurrency)
        self._habits = Habits()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        """Call the model, again if it failed before its first delta and another try may help."""
        end_at = _now() + self._settings.total_timeout_s
        retries = 0
        while True:
            try:
                async with self._places, aclosing(self._attempt(prompt, end_at)) as answer:
                    async for delta in answer:
                        yield delta
            except ModelServiceUnavailable as error:
                retries += 1
                pause_s = _pause_s(retries, error)
                tired = retries > self._settings.retries or pause_s > MAX_RETRY_AFTER_S
                if tired or _now() + pause_s >= end_at:
                    raise
                await self._clock.sleep(pause_s)
            else:
                return

    async def info(self, model: str | None) -> ModelInfo:
        return await self._catalogue.info(model)

    async def infos(self) -> Sequence[ModelInfo]:
        return await self._catalogue.infos()

    async def health(self) -> Component:
        began_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(HEALTH_LIMIT_S):
                listing = await self._catalogue.listing_of_the_last(HEALTH_FRESH_S)
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
                "models": list(listing.windows or ())[:NAMES_SHOWN],
                "default_model": default,
                "demonstration": is_packaged(default),
            },
        )

    async def aclose(self) -> None:
        await self._wire.aclose()

    def _down(self, detail: str) -> Component:
        return Component(status="down", detail=detail, facts={"service": self._host})

    async def _attempt(self, prompt: Prompt, end_at: float) -> AsyncGenerator[ModelDelta, None]:
        """Call the model once; whatever fails after the first delta is a `ModelServiceBroken`."""
        begun = False
        model = await self._catalogue.name(prompt.model)
        self._breaker.admit()
        try:
            async with aclosing(self._call(prompt, model, end_at)) as answer:
                async for delta in answer:
                    if not begun:
                        begun = True
                        self._breaker.answered()
                    yield delta
        except (ModelServiceUnavailable, ModelServiceRefused, ModelUnknown) as error:
            if isinstance(error, Silent):
                self._breaker.silent()
            if begun:
                raise ModelServiceBroken(error.detail) from error
            raise

    async def _call(
        self, prompt: Prompt, model: str, end_at: float
    ) -> AsyncGenerator[ModelDelta, None]:
        settings = self._settings
        first_at = min(_now() + settings.first_byte_timeout_s, end_at)
        response = await self._open(prompt, model, first_at)
        deadlines = Deadlines(first_at, settings.idle_timeout_s, end_at)
        try:
            async with aclosing(deltas(response, Answer(prompt, model), deadlines)) as answer:
                async for delta in answer:
                    yield delta
        finally:
            await response.aclose()

    async def _open(self, prompt: Prompt, model: str, first_at: float) -> httpx.Response:
        """Send the request, anew as long as the service's refusals teach us how it wants it."""
        while True:
            habits = self._habits
            body = body_of(prompt, model, habits)
            with wire_errors():
                async with asyncio.timeout_at(first_at):
                    response = await self._wire.chat(body)
                    if response.is_success:
                        return response
                    refusal = await self._wire.error_of(response)
            self._breaker.answered()
            learned = habits.after(response.status_code, refusal)
            if learned == habits:
                raise self._failure(prompt, model, response, refusal)
            self._habits = learned

    def _failure(
        self, prompt: Prompt, model: str, response: httpx.Response, refusal: bytes
    ) -> PolyAgentError:
        """Return what the answer means, having learned from it."""
        failure = failure_of(
            response.status_code,
            refusal,
            told_tools=bool(prompt.tools),
            retry_after_s=retry_after_s(response.headers, self._clock.now()),
        )
        if isinstance(failure, ContextExceeded) and failure.window_tokens:
            self._catalogue.learn_window(model, failure.window_tokens)
        if isinstance(failure, ToolsRefused):
            self._catalogue.learn_without_tools(model)
        return failure


def _pause_s(retries: int, error: ModelServiceUnavailable) -> float:
    """Return how long to wait: as long as the service says, else longer each time, with full jitter."""
    if isinstance(error, Busy):
        return error.retry_after_s
    most = min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** (retries - 1))
    return random.uniform(0, most)  # noqa: S311  # jitter, no secret


def _now() -> float:
    return asyncio.get_running_loop().time()
