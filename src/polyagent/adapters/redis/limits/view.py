"""What this process knows of a bucket."""

from polyagent.domain.limit import Bucket, Standing

FRESH_S = 1.0
PARTS = 20


class View:
    """`unsent`: units that were given here and that Redis was not told of; `on_the_way`: it is being told."""

    __slots__ = ("_at_s", "_debt_s", "_heard_s", "bucket", "on_the_way", "unsent")

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.unsent = 0
        self.on_the_way = 0
        self._debt_s = 0.0
        self._at_s = 0.0
        self._heard_s = float("-inf")

    def debt_s(self, now_s: float) -> float:
        return max(0.0, self._debt_s - (now_s - self._at_s))

    def is_empty(self, now_s: float) -> bool:
        return self.debt_s(now_s) + self.bucket.pace_s > self.bucket.window_s + 1e-6

    def has_plenty(self, now_s: float) -> bool:
        """Say whether a unit may be given unasked.

        More than half must be left, and at most a twentieth be unsent: so at the quota's end every
        process asks, and processes together give at most a twentieth each too much. Small quotas are
        always asked for.
        """
        bucket = self.bucket
        if bucket.exact and now_s - self._heard_s > FRESH_S:
            return False
        half_s = bucket.window_s / 2
        share = bucket.quota // 100 * (100 // PARTS)
        return (
            self.debt_s(now_s) + bucket.pace_s <= half_s and self.unsent + self.on_the_way < share
        )

    def give(self, now_s: float) -> Standing:
        self._debt_s = self.debt_s(now_s) + self.bucket.pace_s
        self._at_s = now_s
        self.unsent += 1
        return self.bucket.standing(self._debt_s)

    def take_back(self) -> None:
        """Make a unit undone that was given here, and that Redis was not told of."""
        if self.unsent:
            self._debt_s -= self.bucket.pace_s
            self.unsent -= 1

    def refused(self, now_s: float) -> Standing:
        return self.bucket.refused(self.debt_s(now_s))

    def send(self) -> int:
        """Return what Redis is told now."""
        told, self.unsent = min(self.unsent, self.bucket.quota), 0
        self.on_the_way += told
        return told

    def hear(self, debt_s: float, now_s: float) -> None:
        """Take over what Redis says, and what it does not know yet."""
        self._debt_s = debt_s + self.unsent * self.bucket.pace_s
        self._at_s = self._heard_s = now_s

    def is_forgettable(self, now_s: float) -> bool:
        return not self.unsent and now_s - max(self._at_s + self._debt_s, self._heard_s) > FRESH_S
