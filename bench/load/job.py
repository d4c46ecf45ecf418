"""What the load generator is told, and what it tells."""

from collections.abc import Sequence
from typing import Literal, Self

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`at_once` clients, each with one request in flight, for `seconds` or until `most` were begun.

    They are divided among the `ports`; `requests` are whole HTTP requests, used in turn. An answer is whole if it says `tokens` numbered
    tokens in their order. Rates are counted behind the first `warm_s` seconds.
    """

    ports: tuple[int, ...]
    requests: tuple[str, ...]
    at_once: int
    seconds: float
    tokens: int
    warm_s: float = 0.5
    most: int = 1 << 60
    timeout_s: float = 60


class Spread(msgspec.Struct, frozen=True):
    """Two quantiles, in seconds; 0 of nothing."""

    p50_s: float
    p99_s: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> Self:
        in_order = sorted(times_s) or [0.0]
        last = len(in_order) - 1
        return cls(*(in_order[min(last, int(share * len(in_order)))] for share in (0.5, 0.99)))


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`first`: from the request's first byte to the first token; `whole`: to the answer's end."""

    answered: int
    errors: int
    complaints: tuple[str, ...]
    per_s: float
    first: Spread
    whole: Spread


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """`count` streams to be opened and kept; `requests` are used in turn."""

    port: int
    transport: Literal["sse", "ws"]
    requests: tuple[str, ...]
    frames: tuple[str, ...] = ()
    count: int
