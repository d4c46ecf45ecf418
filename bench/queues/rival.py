"""What the bench asks of a queue."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from bench.queues.note import Note, Pen


class Urls(msgspec.Struct, frozen=True):
    database: str
    redis: str


class Rival(Protocol):
    """`name` is its distribution's. One process opens it and asks, another one works.

    `has_users`, `has_priorities`: it knows of them; `is_durable`: in PostgreSQL.
    """

    name: str
    is_durable: bool
    has_priorities: bool
    has_users: bool

    async def open(self, urls: Urls) -> None: ...

    async def close(self) -> None: ...

    async def put(self, note: Note) -> None: ...

    async def put_all(self, notes: Sequence[Note]) -> None:
        """Enqueue in the fastest way that it has."""

    async def left(self) -> int:
        """Return how many tasks have not ended."""

    async def clear(self) -> None: ...

    def words(self, slots: int) -> Sequence[str]:
        """Return the words of `python -m` that run a worker."""


class Working(Protocol):
    async def work(self, urls: Urls, slots: int, pen: Pen) -> None:
        """Do notes until this process ends."""


def worker_of(name: str, slots: int) -> Sequence[str]:
    return ("bench.queues.worker", name, str(slots))
