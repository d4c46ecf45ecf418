"""Places that all processes share. Each tells what it holds under a lease, so that a dead one holds nothing."""

import asyncio
from collections import Counter

from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.limits.asker import Asker, Script
from polyagent.adapters.redis.live.wire import AWAY
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock

LEASE_S = 6.0
RENEW_S = 2.0
ALL = 2**31

_ENTER = Script("enter")


class RedisPlaces:
    def __init__(self, client: RedisClient, clock: Clock, *, timeout_s: float) -> None:
        self._asker = Asker(client, timeout_s=timeout_s)
        self._clock = clock
        self._process = new_id().hex
        self._held: Counter[tuple[str, str]] = Counter()
        self._changed: set[tuple[str, str]] = set()
        self._change = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    async def enter(self, kind: str, whose: str, most: int, *, exact: bool) -> bool:
        if self._held[kind, whose] >= most:
            return False
        self._held[kind, whose] += 1
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())
        if not exact and self._held[kind, whose] * 2 <= most:
            self._changed.add((kind, whose))
            self._change.set()
            return True
        try:
            has_room = await self._say((kind, whose), most)
        except AWAY:
            has_room = True
        except BaseException:
            self.leave(kind, whose)
            raise
        if not has_room:
            self.leave(kind, whose)
        return has_room

    def leave(self, kind: str, whose: str) -> None:
        self._held[kind, whose] -= 1
        self._changed.add((kind, whose))
        self._change.set()

    async def aclose(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._asker.aclose()

    async def _say(self, place: tuple[str, str], most: int) -> bool:
        arguments = (self._process, self._held[place], most, round(LEASE_S * 1000))
        return bool(await self._asker.ask(_ENTER, [f"open:{place[0]}:{place[1]}"], arguments))

    async def _tell(self) -> None:
        """Tell soon what has changed, and renew the lease of what is not."""
        while True:
            try:
                async with asyncio.timeout(RENEW_S):
                    await self._change.wait()
                places, self._changed = self._changed, set()
            except TimeoutError:
                places = set(self._held)
            self._change.clear()
            await asyncio.gather(
                *(self._say(place, ALL) for place in places), return_exceptions=True
            )
            for place in places:
                if self._held[place] <= 0:
                    del self._held[place]
