"""The beats and scans of many idle processes, by one: `python -m bench.subjects.beats`.

Reads a `Beating` on stdin and prints a `Beaten`.
"""

import asyncio
import sys
from time import perf_counter

import msgspec
import uvloop

from bench.load.job import Spread
from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.postgres.liveness import LEASE_S, Liveness
from polyagent.adapters.postgres.pool import open_pool
from polyagent.adapters.postgres.runs.journal import PostgresJournal
from polyagent.adapters.system.clock import SystemClock
from polyagent.adapters.worker.claims import BATCH
from polyagent.adapters.worker.executor import BEAT_S
from polyagent.domain.ids import new_id
from polyagent.settings import Database


class Beating(msgspec.Struct, frozen=True, kw_only=True):
    database_url: str
    processes: int
    seconds: float


class Beaten(msgspec.Struct, frozen=True, kw_only=True):
    """What a beat took, and the longest time from one beat of a process to its next."""

    count: int
    took: Spread
    longest_gap_s: float


class Idle:
    """A process that has nothing to do: it beats, and looks for runs to claim."""

    def __init__(self, journal: PostgresJournal) -> None:
        self.took_s: list[float] = []
        self.ended_at: list[float] = []
        self._journal = journal
        self._id = new_id()

    async def live(self, until: float) -> None:
        while perf_counter() < until:
            began = perf_counter()
            await self._journal.beat(self._id)
            self.ended_at.append(perf_counter())
            self.took_s.append(self.ended_at[-1] - began)
            judges = await self._journal.may_judge()
            await self._journal.claim(self._id, limit=BATCH, dead_owners=judges, queued=())
            await asyncio.sleep(BEAT_S)
        await self._journal.leave(self._id)

    def longest_gap_s(self) -> float:
        return max(
            (b - a for a, b in zip(self.ended_at, self.ended_at[1:], strict=False)), default=0
        )


async def beat(beating: Beating) -> Beaten:
    settings = Database(url=beating.database_url)
    pool = await open_pool(settings, min_size=settings.max_idle_conns)
    clock, queue = SystemClock(), MemoryQueue()
    idle = [
        Idle(
            PostgresJournal(
                pool, Liveness(settings, pool, clock, lease_s=LEASE_S), queue, user_runs=20
            )
        )
        for _ in range(beating.processes)
    ]
    until = perf_counter() + beating.seconds
    async with asyncio.TaskGroup() as group:
        for process in idle:
            group.create_task(process.live(until))
            await asyncio.sleep(BEAT_S / beating.processes)
    await pool.close()
    took_s = [s for process in idle for s in process.took_s[1:]]  # the first one connects
    return Beaten(
        count=len(took_s),
        took=Spread.of(took_s),
        longest_gap_s=max(process.longest_gap_s() for process in idle),
    )


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Beating)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(beat(told))))
