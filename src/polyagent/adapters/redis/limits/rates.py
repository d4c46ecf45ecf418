"""Rates that all processes share: each gives on its own while there is plenty, and asks when there is not."""

import asyncio
from collections.abc import Iterator, Sequence

import structlog
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.limits.asker import Asker, Script
from polyagent.adapters.redis.limits.view import View
from polyagent.adapters.redis.live.wire import AWAY
from polyagent.domain.limit import Bucket, Standing
from polyagent.ports.clock import Clock

TELL_S = 0.1
PAUSE_S = 1.0
BATCH = 500
MAX_KNOWN = 20_000

_TAKE = Script("take")

log = structlog.get_logger("polyagent.redis")


class RedisRates:
    """Without Redis nobody waits for it: one loop tries it again, and tells it then what was given."""

    def __init__(self, client: RedisClient, clock: Clock, *, timeout_s: float) -> None:
        self._asker = Asker(client, timeout_s=timeout_s)
        self._clock = clock
        self._views: dict[str, View] = {}
        self._untold: set[View] = set()
        self._telling: asyncio.Task[None] | None = None
        self._is_away = False

    async def take(self, buckets: Sequence[Bucket], *, lenient: bool = False) -> Standing:
        now_s = self._clock.monotonic()
        views = [self._view(bucket, now_s) for bucket in buckets]
        if self._is_away and lenient:
            return _least(view.bucket.standing(view.debt_s(now_s)) for view in views)
        for view in views:
            if view.is_empty(now_s):
                return view.refused(now_s)
        if self._is_away or all(view.has_plenty(now_s) for view in views):
            return self._give(views, now_s)
        try:
            is_given = await self._ask(views, wanted=1)
        except AWAY as error:
            self._lose(error)
            return await self.take(buckets, lenient=lenient)
        now_s = self._clock.monotonic()
        if is_given:
            return _least(view.bucket.standing(view.debt_s(now_s)) for view in views)
        return max((view.refused(now_s) for view in views), key=lambda each: each.retry_after_s)

    def peek(self, bucket: Bucket) -> Standing:
        now_s, view = self._clock.monotonic(), self._views.get(bucket.key)
        if view is None:
            return bucket.standing(0.0)
        is_refused = view.is_empty(now_s) and not self._is_away
        return view.refused(now_s) if is_refused else bucket.standing(view.debt_s(now_s))

    async def give_back(self, bucket: Bucket) -> None:
        if self._is_away:
            self._view(bucket, self._clock.monotonic()).take_back()
            return
        try:
            await self._ask([self._view(bucket, self._clock.monotonic())], wanted=-1)
        except AWAY as error:
            self._lose(error)

    async def aclose(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._asker.aclose()

    def _view(self, bucket: Bucket, now_s: float) -> View:
        view = self._views.get(bucket.key)
        if view is None:
            if len(self._views) >= MAX_KNOWN:
                self._forget_old(now_s)
            view = self._views[bucket.key] = View(bucket)
        return view

    def _forget_old(self, now_s: float) -> None:
        """Where none is old enough all go that Redis knows better."""
        views = self._views
        kept = {key: view for key, view in views.items() if not view.is_forgettable(now_s)}
        if len(kept) >= MAX_KNOWN:
            kept = {view.bucket.key: view for view in self._untold}
        self._views = kept

    def _give(self, views: Sequence[View], now_s: float) -> Standing:
        self._untold.update(views)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())
        return _least([view.give(now_s) for view in views])

    async def _ask(self, views: Sequence[View], *, wanted: int) -> bool:
        """Say whether what was wanted was given; the views know what Redis knows then. Raises `AWAY`."""
        told = [view.send() for view in views]
        try:
            is_given, *debts = await self._asker.ask(_TAKE, *_asked(views, told, wanted))
        except AWAY:
            for view, units in zip(views, told, strict=True):
                view.unsent += units
            raise
        finally:
            for view, units in zip(views, told, strict=True):
                view.on_the_way -= units
        now_s = self._clock.monotonic()
        for view, debt_us in zip(views, debts, strict=True):
            view.hear(debt_us / 1e6, now_s)
        return bool(is_given)

    async def _tell(self) -> None:
        """Tell Redis what was given here, soon; while it is away, try again and again."""
        try:
            while self._untold or self._is_away:
                await self._clock.sleep(PAUSE_S if self._is_away else TELL_S)
                views = list(self._untold)[:BATCH]
                self._untold.difference_update(views)
                try:
                    await self._ask([view for view in views if view.unsent], wanted=0)
                except AWAY as error:
                    self._untold.update(views)
                    self._lose(error)
                else:
                    self._is_away = False
        finally:
            self._telling = None

    def _lose(self, error: Exception) -> None:
        if not self._is_away:
            log.warning("limits.alone", error=type(error).__name__)
        self._is_away = True
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())


def _asked(views: Sequence[View], told: Sequence[int], wanted: int) -> tuple[list[str], list[int]]:
    arguments = [wanted]
    for view, units in zip(views, told, strict=True):
        window_us = view.bucket.window_s * 1_000_000
        arguments += (window_us // view.bucket.quota, window_us, units)
    return [view.bucket.key for view in views], arguments


def _least(standings: Iterator[Standing] | Sequence[Standing]) -> Standing:
    return min(standings, key=lambda standing: standing.remaining)
