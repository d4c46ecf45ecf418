"""Limits of one process."""

from collections import Counter
from collections.abc import Sequence

from polyagent.domain.limit import Bucket, Standing
from polyagent.ports.clock import Clock

MAX_KNOWN = 10_000


class MemoryRates:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._whole_at_s: dict[str, float] = {}

    async def take(self, buckets: Sequence[Bucket], *, lenient: bool = False) -> Standing:
        now_s = self._clock.monotonic()
        debts = [self._debt_s(bucket, now_s) for bucket in buckets]
        for bucket, debt_s in zip(buckets, debts, strict=True):
            if debt_s + bucket.pace_s > bucket.window_s + 1e-6:
                return bucket.refused(debt_s)
        self._forget_old(now_s)
        standings = []
        for bucket, debt_s in zip(buckets, debts, strict=True):
            self._whole_at_s[bucket.key] = now_s + debt_s + bucket.pace_s
            standings.append(bucket.standing(debt_s + bucket.pace_s))
        return min(standings, key=lambda standing: standing.remaining)

    def peek(self, bucket: Bucket) -> Standing:
        debt_s = self._debt_s(bucket, self._clock.monotonic())
        is_empty = debt_s + bucket.pace_s > bucket.window_s + 1e-6
        return bucket.refused(debt_s) if is_empty else bucket.standing(debt_s)

    async def give_back(self, bucket: Bucket) -> None:
        if bucket.key in self._whole_at_s:
            self._whole_at_s[bucket.key] -= bucket.pace_s

    def _debt_s(self, bucket: Bucket, now_s: float) -> float:
        return max(0.0, self._whole_at_s.get(bucket.key, 0.0) - now_s)

    def _forget_old(self, now_s: float) -> None:
        if len(self._whole_at_s) >= MAX_KNOWN:
            self._whole_at_s = {k: at_s for k, at_s in self._whole_at_s.items() if at_s > now_s}


class MemoryPlaces:
    def __init__(self) -> None:
        self._taken: Counter[tuple[str, str]] = Counter()

    async def enter(self, kind: str, whose: str, most: int, *, exact: bool) -> bool:
        if self._taken[kind, whose] >= most:
            return False
        self._taken[kind, whose] += 1
        return True

    def hold(self, kind: str, whose: str) -> None:
        self._taken[kind, whose] += 1

    def leave(self, kind: str, whose: str) -> None:
        self._taken[kind, whose] -= 1
        if not self._taken[kind, whose]:
            del self._taken[kind, whose]
