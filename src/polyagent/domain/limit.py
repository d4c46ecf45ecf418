"""How much of something one of many may have: rates, by the generic cell rate algorithm.

A bucket is known by its debt: the seconds until it is whole again. Each unit adds `pace_s` to it, and
it may not grow beyond the window. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

import math

import msgspec


class Bucket(msgspec.Struct, frozen=True):
    """`quota` units in `window_s` seconds, all of them at once if need be.

    `whose` tells buckets of a name apart. `exact`: what other processes took is asked for before the
    first unit; else a process may hand out a few before it hears from them.
    """

    name: str
    whose: str
    quota: int
    window_s: int = 60
    exact: bool = False

    @property
    def key(self) -> str:
        return f"{self.name}:{self.whose}"

    @property
    def pace_s(self) -> float:
        return self.window_s / self.quota

    def standing(self, debt_s: float) -> "Standing":
        left = math.floor((self.window_s - debt_s) / self.pace_s + 1e-6)
        return Standing(self, max(0, min(self.quota, left)), debt_s)

    def refused(self, debt_s: float) -> "Standing":
        wait_s = max(debt_s + self.pace_s - self.window_s, 0.001)
        return Standing(self, 0, debt_s, retry_after_s=wait_s)


class Standing(msgspec.Struct, frozen=True):
    """What is left of a bucket, and when it is whole again; `retry_after_s` 0: nothing was refused."""

    bucket: Bucket
    remaining: int
    whole_after_s: float
    retry_after_s: float = 0.0
