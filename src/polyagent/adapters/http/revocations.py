"""What is open ends when the credentials that opened it stand for somebody else, or nobody."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from dishka import AsyncContainer

from polyagent.domain.account import Actor, Claims
from polyagent.domain.errors import Unavailable
from polyagent.usecases.trust import Trust

LOOK_S = 2.0

Listener = Callable[[], None]

log = structlog.get_logger("polyagent.http")


class Revocations:
    """Looks every two seconds for all that is open in this process together, and at each change here."""

    def __init__(self, container: AsyncContainer) -> None:
        self._container = container
        self._listeners: defaultdict[tuple[Claims, Actor], list[Listener]] = defaultdict(list)

    @contextmanager
    def listening(self, claims: Claims, actor: Actor, listener: Listener) -> Iterator[None]:
        """Call `listener` once `claims` no longer stand for `actor`."""
        held = (claims, actor)
        self._listeners[held].append(listener)
        try:
            yield
        finally:
            self._listeners[held].remove(listener)
            if not self._listeners[held]:
                del self._listeners[held]

    @asynccontextmanager
    async def looking(self, _: object) -> AsyncIterator[None]:
        looking = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look_on(self) -> None:
        trust = await self._container.get(Trust)
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await trust.changed.wait()
            except TimeoutError:
                pass
            trust.changed.clear()
            await self._look(trust)

    async def _look(self, trust: Trust) -> None:
        if not self._listeners:
            return
        asked = {claims for claims, _ in self._listeners}
        try:
            found = await trust.look(asked)
        except Unavailable:
            return  # whoever was let in stays while the store is away
        except Exception:
            log.exception("revocations.look_broke")
            return
        for (claims, actor), listeners in [*self._listeners.items()]:
            if claims in asked and found.get(claims) != actor:  # others began meanwhile
                for listener in [*listeners]:
                    listener()
