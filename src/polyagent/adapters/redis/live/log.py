"""The live log of a run as a stream of Redis: entries of several events, a line each.

The id of an entry is that of its last event, so that nobody writes behind what was written before:
https://redis.io/docs/latest/commands/xadd/
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import cast
from uuid import UUID

import msgspec
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.live.wire import Command
from polyagent.domain.event import Event, event_of

PAGE = 200
ENTRY_EVENTS = 100
EVENT_BYTES = 256 * 1024
LINES = b"d"


def is_told(event: Event) -> bool:
    """Say whether an event has a place in the log: a large one is left to the journal."""
    return len(event.wire) <= EVENT_BYTES


def key_of(run_id: UUID) -> bytes:
    return b"run:{%b}:log" % str(run_id).encode()


def channel_of(run_id: UUID) -> bytes:
    return b"run:{%b}:events" % str(run_id).encode()


def run_of(channel: bytes) -> UUID:
    return UUID(channel[5:41].decode())


def lines_of(events: Sequence[Event]) -> bytes:
    return b"\n".join([event.wire for event in events])


def events_of(lines: bytes) -> Iterator[Event]:
    """Yield the events; what a newer version of this server wrote, and we do not know, is left out."""
    for line in lines.split(b"\n"):
        try:
            yield event_of(line)
        except msgspec.DecodeError:
            continue


def adding(run_id: UUID, events: Sequence[Event], *options: str) -> Command:
    return (
        "XADD",
        key_of(run_id),
        *options,
        b"%d-0" % events[-1].id,
        LINES,
        lines_of(events),
    )


def adding_all(run_id: UUID, events: Sequence[Event]) -> list[Command]:
    """Return the commands that write as many events as there are."""
    starts = range(0, len(events), ENTRY_EVENTS)
    return [adding(run_id, events[start : start + ENTRY_EVENTS]) for start in starts]


async def read(client: RedisClient, run_id: UUID, after: int) -> AsyncIterator[Event]:
    """Yield what the log holds behind an event, in order."""
    while True:
        found = await client.xrange(key_of(run_id), f"({after}-0", "+", count=PAGE)
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], found)
        for _, fields in entries:
            for event in events_of(fields[LINES]):
                if event.id > after:
                    after = event.id
                    yield event
        if len(entries) < PAGE:
            return
