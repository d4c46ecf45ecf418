"""A queue of turns in memory, for one process."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from heapq import heappop, heappush
from uuid import UUID

from msgspec.structs import replace

from polyagent.domain.queue import HELD_S, Entry, Sweep

PRIORITIES = range(10)
_FAR = float("inf")
EARLY_S = 0.001  # a timer may fire as much before its time


class Lane:
    """The entries of one priority by their start; users take turns."""

    def __init__(self, priority: int) -> None:
        self.turn = 2.0**-priority
        self.passed = 0.0
        self._waiting: list[tuple[float, bytes, Entry]] = []
        self._ids: set[UUID] = set()
        self._clock = 0.0
        self._tails: dict[bytes, float] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, entry: Entry, *, head: bool) -> None:
        if entry.id in self._ids:
            return
        start = self._clock - 1
        if not head:
            start = max(self._clock, self._tails.get(entry.who, 0.0))
            self._tails[entry.who] = start + 1
        self._ids.add(entry.id)
        heappush(self._waiting, (start, entry.id.bytes, entry))

    def pop(self) -> Entry:
        start, _, entry = heappop(self._waiting)
        self._clock = max(self._clock, start)
        self._ids.remove(entry.id)
        self.passed += self.turn
        if not self._waiting:  # nobody waits here: all begin anew
            self._clock = 0.0
            self._tails.clear()
        return entry


class MemoryQueue:
    """Time is the event loop's."""

    def __init__(self) -> None:
        self._lanes = [Lane(priority) for priority in PRIORITIES]
        self._later: list[tuple[float, bytes, Entry, bool]] = []
        self._due_s: dict[UUID, float] = {}
        self._passed = 0.0
        self._changed = asyncio.Event()
        self._is_built = False

    def offer(self, *entries: Entry, head: bool = False) -> None:
        self._enter(entries, head=head)

    async def put(self, entries: Sequence[Entry], *, head: bool = False) -> None:
        self._enter(entries, head=head)

    def _enter(self, entries: Sequence[Entry], *, head: bool) -> None:
        for entry in entries:
            if entry.delay_s > 0:
                self._enter_later(entry, head=head)
            elif self._due_s.get(entry.id, _FAR) > _now_s() + HELD_S:
                self._enter_lane(entry, head=head)
        self._changed.set()

    def _enter_later(self, entry: Entry, *, head: bool) -> None:
        if entry.id not in self._due_s:
            due = self._due_s[entry.id] = _now_s() + entry.delay_s
            heappush(self._later, (due, entry.id.bytes, replace(entry, delay_s=0.0), head))

    def _enter_lane(self, entry: Entry, *, head: bool) -> None:
        lane = self._lanes[entry.priority]
        if not lane:  # a lane that wakes does not claim the turns it missed
            lane.passed = max(lane.passed, self._passed)
        lane.put(entry, head=head)

    async def take(self, n: int, block_s: float) -> Sequence[Entry]:
        until = _now_s() + block_s
        while not (taken := self._take(n)) and _now_s() < until - EARLY_S:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(until, self._due_at())):
                    await self._changed.wait()
        return taken

    def _due_at(self) -> float:
        return self._later[0][0] if self._later else float("inf")

    def _take(self, n: int) -> list[Entry]:
        while self._due_at() <= _now_s() + EARLY_S:
            _, _, entry, head = heappop(self._later)
            del self._due_s[entry.id]
            self._enter_lane(entry, head=head)
        taken: list[Entry] = []
        while len(taken) < n and (open_lanes := [lane for lane in self._lanes[::-1] if lane]):
            lane = min(open_lanes, key=lambda lane: lane.passed)
            self._passed = lane.passed
            taken.append(lane.pop())
        return taken

    async def begin_sweep(self) -> Sweep | None:
        is_rebuild, self._is_built = not self._is_built, True
        return Sweep(after=0, is_rebuild=is_rebuild)

    async def end_sweep(self, after: int) -> None:
        """Nothing is lost here, so that every sweep may begin at the beginning."""


def _now_s() -> float:
    return asyncio.get_running_loop().time()
