"""When to try again."""

import math

LONGEST_S = 86_400.0


def retry_delay_s(
    failures: int, *, base_s: float, most_s: float, draw: float, retry_after_s: float | None = None
) -> float:
    """Return how long to wait after so many failures: anything up to a bound that doubles with each.

    `draw` is a random number from 0 to 1: those who failed together do not come back together.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ calls it full jitter.
    It is never less than `retry_after_s`, of which at most a day counts.
    """
    doubled = base_s * 2.0 ** min(max(failures, 1) - 1, 64)
    return _told_s(retry_after_s) + draw * min(doubled, most_s)


def _told_s(retry_after_s: float | None) -> float:
    if retry_after_s is None or math.isnan(retry_after_s):
        return 0.0
    return min(max(retry_after_s, 0.0), LONGEST_S)
