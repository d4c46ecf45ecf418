"""Doing what a request asks once, however often it comes under its idempotency key."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.answer import HELD_S, KeptAnswer
from polyagent.domain.errors import StoreUnavailable
from polyagent.domain.ids import new_id
from polyagent.domain.run import IdempotencyKey
from polyagent.ports.answers import Answers
from polyagent.ports.clock import Clock

KEEP_TRIES = 3


class AnswerOnce:
    def __init__(self, answers: Answers, clock: Clock) -> None:
        self._answers = answers
        self._clock = clock

    async def __call__(
        self, actor: Actor, key: IdempotencyKey, work: Callable[[], Awaitable[KeptAnswer]]
    ) -> tuple[KeptAnswer, bool]:
        """Return the answer of `work`, or the one that the key has; and whether it was there before.

        Work that raises frees the key. A process that dies in the middle leaves it held for `HELD_S`:
        then the request may be done again, as if it had come without a key. The same goes for an
        answer that could not be kept. Raises `InProgress`, `IdempotencyKeyReused`.
        """
        holder = new_id()
        kept = await self._answers.begin(actor, key, holder)
        if kept is not None:
            return kept, True
        async with self._held(actor, key, holder):
            answer = await work()
            await self._keep(actor, key, holder, answer.without_secrets())
        return answer, False

    @asynccontextmanager
    async def _held(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> AsyncIterator[None]:
        renewing = asyncio.create_task(self._renew(actor, key, holder))
        try:
            yield
        except BaseException:
            with suppress(StoreUnavailable):
                await self._answers.release(actor, key, holder)
            raise
        finally:
            renewing.cancel()

    async def _renew(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> None:
        while True:
            await self._clock.sleep(HELD_S / 4)
            with suppress(StoreUnavailable):
                await self._answers.renew(actor, key, holder)

    async def _keep(
        self, actor: Actor, key: IdempotencyKey, holder: UUID, answer: KeptAnswer
    ) -> None:
        for _ in range(KEEP_TRIES):
            try:
                await self._answers.keep(actor, key, holder, answer)
            except StoreUnavailable:
                continue
            return
