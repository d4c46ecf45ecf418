"""How guessing is slowed: each failure in a row doubles the wait, up to a minute and no longer."""

import msgspec

FREE = 5
"""Failures that cost nothing: people mistype."""
MAX_WAIT_S = 60.0
FORGET_S = 900.0
TRUST_S = 30 * 86_400
MAX_KNOWN = 10_000


class Failures(msgspec.Struct, frozen=True):
    """Those in a row, and how long ago the last one was."""

    count: int = 0
    since_s: float = 0.0

    @property
    def wait_s(self) -> float:
        """How long the next try has to wait."""
        if self.count < FREE:
            return 0.0
        delay_s: float = min(MAX_WAIT_S, 2.0 ** min(self.count - FREE, 10))
        return max(0.0, delay_s - self.since_s)


class FailureCounts:
    """Those that one process has seen, by whom they were for."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}

    def of(self, who: str, now_s: float) -> Failures:
        count, at_s = self._last.get(who, (0, now_s))
        return Failures(count, now_s - at_s) if now_s < at_s + FORGET_S else Failures()

    def add(self, who: str, now_s: float) -> None:
        count = self.of(who, now_s).count + 1
        self._last.pop(who, None)
        if len(self._last) >= MAX_KNOWN:
            del self._last[next(iter(self._last))]
        self._last[who] = (count, now_s)

    def clear(self, who: str) -> None:
        self._last.pop(who, None)
