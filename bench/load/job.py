"""What the load generator is told, and what it tells."""

from typing import Literal

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


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, from the request's first byte to the first token, and to the answer's end."""

    answered: int
    errors: int
    complaints: tuple[str, ...]
    per_s: float
    first_s: tuple[float, ...]
    whole_s: tuple[float, ...]
    cpu_s: float


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """`count` streams to be opened and kept; `requests` are used in turn."""

    port: int
    transport: Literal["sse", "ws"]
    requests: tuple[str, ...]
    frames: tuple[str, ...] = ()
    count: int
