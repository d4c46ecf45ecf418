"""Places that all processes share. Each tells what it holds under a lease, so that a dead one holds nothing."""

import asyncio
from collections import Counter
from collections.abc import Collection
from contextlib import suppress

from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.limits.asker import Asker, Script
from polyagent.adapters.redis.live.wire import AWAY
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock

LEASE_S = 6.0
RENEW_S = 2.0
TELL_S = 0.05
UNTOLD = 20
"""One in so many places of a user may be given before it is told."""
ALL = 2**31

_ENTER = Script("enter")


class RedisPlaces:
    def __init__(self, client: RedisClient, clock: Clock, *, timeout_s: float) -> None:
        self._asker = Asker(client, timeout_s=timeout_s)
        self._clock = clock
        self._process = new_id().hex
        self._held: Counter[tuple[str, str]] = Counter()
        self._heard: dict[tuple[str, str], tuple[int, int]] = {}
        self._changed: set[tuple[str, str]] = set()
        self._is_changed = asyncio.Event()
        self._is_away = False
        self._telling: asyncio.Task[None] | None = None

    async def enter(self, kind: str, whose: str, most: int, *, exact: bool) -> bool:
        if self._held[kind, whose] >= most:
            return False
        self.hold(kind, whose)
        if self._is_away or (not exact and self._is_plenty((kind, whose), most)):
            return True
        try:
            has_room = await self._say((kind, whose), most)
        except AWAY:
            self._is_away = True
            return True
        except BaseException:
            self.leave(kind, whose)
            raise
        if not has_room:
            self.leave(kind, whose)
        return has_room

    def hold(self, kind: str, whose: str) -> None:
        self._held[kind, whose] += 1
        self._change((kind, whose))

    def leave(self, kind: str, whose: str) -> None:
        self._held[kind, whose] -= 1
        self._change((kind, whose))

    def _change(self, place: tuple[str, str]) -> None:
        self._changed.add(place)
        self._is_changed.set()
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def aclose(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._asker.aclose()

    def _is_plenty(self, place: tuple[str, str], most: int) -> bool:
        told, others = self._heard.get(place, (0, 0))
        held = self._held[place]
        return (others + held) * 2 <= most and (held - told) * UNTOLD <= most

    async def _say(self, place: tuple[str, str], most: int) -> bool:
        held = self._held[place]
        arguments = (self._process, held, most, round(LEASE_S * 1000))
        others = await self._asker.ask(_ENTER, [f"open:{place[0]}:{place[1]}"], arguments)
        has_room = int(others) >= 0
        self._heard[place] = (held, int(others)) if has_room else (0, most)
        return has_room

    async def _tell(self) -> None:
        """Tell soon what has changed, and renew the lease of everything else in time."""
        renewed_s = self._clock.monotonic()
        while True:
            await asyncio.sleep(TELL_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S):
                    await self._is_changed.wait()
            places, self._changed = self._changed, set()
            self._is_changed.clear()
            if (now_s := self._clock.monotonic()) >= renewed_s + RENEW_S:
                places, renewed_s = places | set(self._held), now_s
            await self._say_all(places)

    async def _say_all(self, places: Collection[tuple[str, str]]) -> None:
        told = await asyncio.gather(
            *(self._say(place, ALL) for place in places), return_exceptions=True
        )
        self._is_away = any(isinstance(each, BaseException) for each in told)
        for place in places:
            if self._held[place] <= 0:
                del self._held[place]
                self._heard.pop(place, None)
