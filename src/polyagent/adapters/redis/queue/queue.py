"""A queue of turns in Redis: nothing in it that the rows could not rebuild."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from uuid import UUID

import structlog
from redis.asyncio import Redis as RedisClient
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from polyagent.domain.errors import QueueUnavailable
from polyagent.domain.queue import FAR_S, HELD_S, Entry, Sweep

BLOCK_S = 5.0
BATCH = 1000
FRESH_MS = 900
PRIORITIES = range(10)

log = structlog.get_logger("polyagent.queue")


class RedisQueue:
    """`name` is a hash tag, so that the queue's keys share a slot of a Redis Cluster.

    `blocking` is a client whose commands may block for `BLOCK_S`.
    """

    def __init__(self, client: RedisClient, blocking: RedisClient, name: str) -> None:
        prefix = f"{{{name}}}:"
        self._state = prefix + "state"
        self._lanes = [f"{prefix}lane:{priority}" for priority in PRIORITIES]
        tails = [f"{prefix}tails:{priority}" for priority in PRIORITIES]
        self._keys = [prefix + "later", self._state, *self._lanes, *tails]
        self._sweep_keys = [*self._keys, prefix + "sweep", prefix + "built"]
        self._client = client
        self._blocking = blocking
        self._put = _script(client, "put")
        self._take = _script(client, "take")
        self._sweep = _script(client, "sweep")
        self._offered: dict[bool, list[Entry]] = {True: [], False: []}
        self._sending: asyncio.Task[None] | None = None

    def offer(self, *entries: Entry, head: bool = False) -> None:
        self._offered[head] += entries
        if entries and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while any(self._offered.values()):
            offered, self._offered = self._offered, {True: [], False: []}
            for head, entries in offered.items():
                try:
                    await self.put(entries, head=head)
                except QueueUnavailable as error:
                    log.debug("queue.offer_failed", entries=len(entries), error=error.detail)

    async def close(self) -> None:
        """Wait until what was offered is put."""
        if self._sending is not None:
            await self._sending

    async def put(self, entries: Sequence[Entry], *, head: bool = False) -> None:
        near = [entry for entry in entries if entry.delay_s <= FAR_S]
        for at in range(0, len(near), BATCH):
            arguments: list[bytes | int] = [b"head" if head else b"tail", int(HELD_S * 1000)]
            for entry in near[at : at + BATCH]:
                arguments += (_member(entry), math.ceil(entry.delay_s * 1000))
            with _translated():
                await self._put(self._keys, arguments)

    async def take(self, n: int, block_s: float) -> Sequence[Entry]:
        with _translated():
            due_ms, *members = await self._take(self._keys, [n])
            if members or block_s <= 0:
                return [_entry(member) for member in members]
            return await self._take_next(n, min(block_s, BLOCK_S), due_ms)

    async def _take_next(self, n: int, block_s: float, due_ms: int) -> Sequence[Entry]:
        if 0 <= due_ms < block_s * 1000:
            block_s = max(due_ms, 1) / 1000
        first = await self._blocking.bzpopmin(self._lanes[::-1], block_s)
        if first is None and due_ms < 0:
            return []
        taken = [] if first is None else [first[1], first[2]]
        _, *members = await self._take(self._keys, [n, *taken])
        return [_entry(member) for member in members]

    async def begin_sweep(self) -> Sweep | None:
        with _translated():
            found = await self._sweep(self._sweep_keys, [FRESH_MS])
        return None if found is None else Sweep(after=found[1], is_rebuild=bool(found[0]))

    async def end_sweep(self, after: int) -> None:
        with _translated():
            await self._client.hset(self._state, "walked", str(after))


def _script(client: RedisClient, name: str) -> AsyncScript:
    here = files(__package__)
    parts = (here / "lanes.lua", here / f"{name}.lua")
    return client.register_script("\n".join(part.read_text() for part in parts))


def _member(entry: Entry) -> bytes:
    return b"%d%b%b" % (entry.priority, entry.id.bytes, entry.who)


def _entry(member: bytes) -> Entry:
    return Entry(id=UUID(bytes=member[1:17]), priority=int(member[:1]), who=member[17:])


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise QueueUnavailable(f"Redis does not answer now ({type(error).__name__}).") from error
