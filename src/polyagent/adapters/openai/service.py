"""One model service: calls with retries, and what is known of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import httpx
import msgspec
import structlog

from polyagent.adapters.openai.address import Address
from polyagent.adapters.openai.breaker import Breaker
from polyagent.adapters.openai.failures import (
    MAX_RETRY_AFTER_S,
    Full,
    Silent,
    failure_of,
    pause_s,
    retry_after_s,
    said,
    wire_errors,
)
from polyagent.adapters.openai.health import Health
from polyagent.adapters.openai.knowing.catalogue import Catalogue
from polyagent.adapters.openai.knowing.habits import Habits
from polyagent.adapters.openai.knowing.lessons import is_about_tools_as_such, lesson_of
from polyagent.adapters.openai.reading.answer import Answer
from polyagent.adapters.openai.reading.stream import Deadlines, deltas
from polyagent.adapters.openai.request import body_of
from polyagent.adapters.openai.tracing import call_span, note, traceparent
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

log = structlog.get_logger("polyagent.model_service")


class Service:
    """At most `max_concurrency` calls at once: a stream keeps its place to its end, a pause keeps none.

    A call waits for its place no longer than for a first byte; that counts for the total deadline, but
    not for the first byte's, which is the service's own.
    """

    def __init__(self, settings: Ai, address: Address, clock: Clock) -> None:
        self._settings = settings
        self._host = address.host
        self._clock = clock
        self._wire = Wire(address, settings)
        self._breaker = Breaker(clock)
        self._catalogue = Catalogue(self._wire, address.host, settings, self._breaker, clock)
        self._places = asyncio.Semaphore(settings.max_concurrency)
        self._health = Health(self._wire, address.host, self._catalogue, clock)

    async def stream(
        self, prompt: Prompt, *, is_last: bool = True
    ) -> AsyncGenerator[ModelDelta, None]:
        """Call the model, again if it failed before its first delta and another try may help.

        Where it `is_last` not, another service stands behind: silence is reason enough to go there, and
        a service that is known to be silent is left to the probe.
        """
        if not is_last and self._would_wait(prompt.model):
            raise Silent("The model service has not answered for a while.")
        end_at = _now() + self._settings.total_timeout_s
        retries = 0
        while True:
            try:
                await self._take_place(end_at)
                try:
                    async with aclosing(self._attempt(prompt, end_at)) as answer:
                        async for delta in answer:
                            yield delta
                finally:
                    self._places.release()
            except ModelServiceUnavailable as error:
                retries += 1
                wait_s = pause_s(retries, error)
                hopeless = isinstance(error, Full) or (isinstance(error, Silent) and not is_last)
                tired = retries > self._settings.retries or wait_s > MAX_RETRY_AFTER_S
                if hopeless or tired or _now() + wait_s >= end_at:
                    raise
                await self._clock.sleep(wait_s)
            else:
                return

    @property
    def is_away(self) -> bool:
        return self._breaker.is_open or self._catalogue.is_away

    async def takes(self, model: str) -> bool | None:
        return await self._catalogue.takes(model)

    async def info(self, model: str | None) -> ModelInfo:
        return await self._catalogue.info(model)

    async def infos(self) -> Sequence[ModelInfo]:
        return await self._catalogue.infos()

    async def health(self) -> Component:
        return await self._health.check()

    async def probe(self) -> bool:
        """Look at what the service can do; False if it does not answer."""
        return await self._health.probe()

    async def aclose(self) -> None:
        await self._wire.aclose()

    def _would_wait(self, model: str | None) -> bool:
        """Return whether a call would begin by waiting for what did not answer just now."""
        is_named = model is not None or self._settings.model is not None
        return self._breaker.is_open or (self._catalogue.is_away and not is_named)

    async def _take_place(self, end_at: float) -> None:
        """Take one of the places, which is to be released. Raises `Full`."""
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout_at(
                min(_now() + self._settings.first_byte_timeout_s, end_at)
            ):
                await self._places.acquire()
        except TimeoutError as error:
            most = self._settings.max_concurrency
            raise Full(f"All {most} places at the model service stayed taken.") from error

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
            self._note(model, error, begun=begun)
            if begun:
                raise ModelServiceBroken(error.detail) from error
            raise

    def _note(self, model: str, error: PolyAgentError, *, begun: bool) -> None:
        """Count a silence, and tell the operator what clients are not told."""
        if isinstance(error, Silent):
            self._breaker.silent()
        log.warning(
            "a call of a model failed",
            service=self._host,
            model=model,
            code=error.code,
            detail=error.detail,
            begun=begun,
            said=self._wire.without_key(said(error) or ""),
        )

    async def _call(
        self, prompt: Prompt, model: str, end_at: float
    ) -> AsyncGenerator[ModelDelta, None]:
        settings = self._settings
        first_at = min(_now() + settings.first_byte_timeout_s, end_at)
        deadlines = Deadlines(first_at, settings.idle_timeout_s, end_at)
        answer = Answer(prompt, model, settings.prices)
        with call_span(model, self._host) as span:
            response, habits = await self._open(prompt, model, first_at, traceparent(span))
            try:
                async with aclosing(deltas(response, answer, deadlines)) as told:
                    async for delta in told:
                        note(span, delta)
                        yield delta
            finally:
                await response.aclose()
        self._catalogue.learn_taken(habits, prompt, answer.usage)

    async def _open(
        self, prompt: Prompt, model: str, first_at: float, parent: str | None
    ) -> tuple[httpx.Response, Habits]:
        """Send the request, anew as long as the service's refusals teach us how it wants it.

        A lesson is kept for other requests once this one was taken for it: a refusal may name what is
        not its reason. One about images is proof enough, since without them there may be nothing to ask.
        """
        habits, learned = self._catalogue.habits(model), list[str]()
        while True:
            body = body_of(prompt, model, habits)
            with wire_errors():
                async with asyncio.timeout_at(first_at):
                    response = await self._wire.chat(body, traceparent=parent)
                    if response.is_success:
                        self._catalogue.learn(model, *learned)
                        return response, habits
                    refusal = await self._wire.error_of(response)
            self._breaker.answered()
            if (lesson := lesson_of(response.status_code, refusal, prompt, habits)) is None:
                raise self._failure(prompt, model, response, refusal)
            habits = msgspec.structs.replace(habits, **{lesson.habit: False})
            if lesson.habit == "takes_images":
                self._catalogue.learn(model, lesson.habit)
            elif lesson.lasts:
                learned.append(lesson.habit)

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
        if isinstance(failure, ToolsRefused) and is_about_tools_as_such(prompt):
            self._catalogue.learn(model, "takes_tools")
        return failure


def _now() -> float:
    return asyncio.get_running_loop().time()
