"""Questions that have one answer in JSON, to one service."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import msgspec
import structlog

from polyagent.adapters.openai.address import Address
from polyagent.adapters.openai.breaker import Breaker
from polyagent.adapters.openai.failures import (
    MAX_RETRY_AFTER_S,
    Silent,
    failure_of,
    pause_s,
    retry_after_s,
    said,
    wire_errors,
)
from polyagent.adapters.openai.wire import Wire
from polyagent.domain.errors import ModelServiceUnavailable, PolyAgentError
from polyagent.ports.clock import Clock
from polyagent.settings import Ai

MAX_ANSWER_BYTES = 2**26

T = TypeVar("T")
Post = Callable[[bytes], Awaitable[httpx.Response]]

log = structlog.get_logger("polyagent.model_service")


class Asking:
    """`settings` say where, and with which key."""

    def __init__(self, settings: Ai, clock: Clock) -> None:
        address = Address.parse(settings.url or "")
        self.wire = Wire(address, settings)
        self._host = address.host
        self._breaker = Breaker(clock)
        self._clock = clock

    async def ask(
        self, post: Post, body: object, kind: type[T], *, timeout_s: float, retries: int = 0
    ) -> T:
        """Return the answer; ask again if it failed and that may help.

        Raises `ModelServiceUnavailable`, also for an answer that makes no sense, `ModelServiceRefused`,
        `ModelUnknown`.
        """
        told, tried = msgspec.json.encode(body), 0
        while True:
            try:
                return await self._once(post, told, kind, timeout_s)
            except ModelServiceUnavailable as error:
                tried += 1
                wait_s = pause_s(tried, error)
                if tried > retries or wait_s > MAX_RETRY_AFTER_S:
                    raise
                await self._clock.sleep(wait_s)

    async def _once(self, post: Post, body: bytes, kind: type[T], timeout_s: float) -> T:
        self._breaker.admit()
        try:
            with wire_errors():
                async with asyncio.timeout(timeout_s):
                    answer = await self._answer(await post(body))
        except PolyAgentError as error:
            self._note(error)
            raise
        self._breaker.answered()
        return _decoded(answer, kind)

    async def _answer(self, response: httpx.Response) -> bytes:
        if response.is_success:
            return await self.wire.answer_of(response, MAX_ANSWER_BYTES)
        refusal = await self.wire.error_of(response)
        wait_s = retry_after_s(response.headers, self._clock.now())
        raise failure_of(response.status_code, refusal, retry_after_s=wait_s)

    def _note(self, error: PolyAgentError) -> None:
        """Count a silence, and tell the operator what clients are not told."""
        if isinstance(error, Silent):
            self._breaker.silent()
        else:
            self._breaker.answered()
        log.warning(
            "a service of documents failed",
            service=self._host,
            code=error.code,
            detail=error.detail,
            said=self.wire.without_key(said(error) or ""),
        )


def _decoded(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise senseless() from error


def senseless() -> ModelServiceUnavailable:
    return ModelServiceUnavailable("The answer of the service makes no sense.")
