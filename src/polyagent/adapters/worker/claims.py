"""Finding runs for this process: those left behind by a scan, queued ones in their turn."""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

from polyagent.adapters.worker.loops import every, waited
from polyagent.adapters.worker.sweep import sweep
from polyagent.domain.errors import QueueUnavailable
from polyagent.domain.queue import Entry
from polyagent.domain.run import Work
from polyagent.ports.journal import Journal
from polyagent.ports.queue import Backlog, Queue

SCAN_S = 0.5
SWEEP_S = 1.0
BLOCK_S = 2.0
BATCH = 8
CLOSE_S = 2.0
PARKED_S = 0.25

log = structlog.get_logger("polyagent.worker")


class Host(Protocol):
    """The process that runs are found for."""

    @property
    def worker_id(self) -> UUID: ...

    @property
    def free(self) -> int:
        """How many more runs it takes now."""

    async def reserve(self, run_id: UUID, of: bytes) -> bool:
        """Say whether whoever it is may have one more run executed."""

    def release(self, run_id: UUID) -> None:
        """Give back what was reserved for a run that is not executed here after all."""

    def launch(self, work: Work) -> None: ...


class Claims:
    """The loops that claim. While the queue is away its runs are found by a scan, oldest first."""

    def __init__(self, host: Host, journal: Journal, queue: Queue, backlog: Backlog) -> None:
        self._host = host
        self._journal = journal
        self._queue = queue
        self._backlog = backlog
        self._woken = asyncio.Event()
        self._closing = asyncio.Event()
        self._taking: asyncio.Future[Sequence[Entry]] | None = None
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loops = (
            every(SCAN_S, self._closing, self._left_behind),
            every(SWEEP_S, self._closing, self._sweep),
            every(0.0, self._closing, self._queued),
        )
        self._loops = [asyncio.create_task(loop) for loop in loops]

    async def close(self) -> None:
        """Take no more; return when what is being claimed is launched."""
        self._closing.set()
        self._woken.set()
        if self._taking is not None:
            self._taking.cancel()
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=CLOSE_S)
            for loop in late:
                loop.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def wake(self) -> None:
        """Look again: a place became free, or a run was queued."""
        self._woken.set()

    async def claim(
        self,
        limit: int,
        *,
        dead_owners: bool = False,
        run_id: UUID | None = None,
        queued: Sequence[UUID] | None = None,
    ) -> None:
        """Claim as `Journal.claim` does, and launch what was claimed."""
        for work in await self._journal.claim(
            self._host.worker_id,
            limit=limit,
            dead_owners=dead_owners,
            run_id=run_id,
            queued=queued,
        ):
            log.info(
                "run.claimed",
                run_id=str(work.run.id),
                epoch=work.lease.epoch,
                attempt=work.run.attempt,
            )
            self._host.launch(work)

    async def _left_behind(self) -> None:
        if self._places > 0:
            dead_owners = await self._journal.may_judge()
            await self.claim(self._places, dead_owners=dead_owners, queued=())

    async def _sweep(self) -> None:
        await sweep(self._queue, self._backlog)

    async def _queued(self) -> None:
        if self._places == 0:
            await self._until_woken()
            return
        try:
            taken = await self._take(self._places)
        except QueueUnavailable:
            await self.claim(self._places)
            await self._until_woken()
        else:
            await self._claim_taken(taken)

    @property
    def _places(self) -> int:
        return max(0, min(self._host.free, BATCH))

    async def _take(self, n: int) -> Sequence[Entry]:
        self._taking = asyncio.ensure_future(self._queue.take(n, BLOCK_S))
        try:
            await asyncio.wait((self._taking,))
            return () if self._taking.cancelled() else self._taking.result()
        finally:
            self._taking.cancel()

    async def _claim_taken(self, taken: Sequence[Entry]) -> None:
        """Claim what was taken; places may have gone to runs that were admitted here meanwhile."""
        places = self._places
        if taken[places:]:
            await self._queue.put(taken[places:], head=True)
        ids = await self._admitted(taken[:places])
        try:
            if ids:
                await self.claim(len(ids), queued=ids)
        finally:
            for run_id in ids:
                self._host.release(run_id)

    async def _admitted(self, taken: Sequence[Entry]) -> list[UUID]:
        """Return those whose users have room; the others come again in a moment."""
        ids, parked = [], []
        for entry in taken:
            if await self._host.reserve(entry.id, entry.who):
                ids.append(entry.id)
            else:
                parked.append(msgspec.structs.replace(entry, delay_s=PARKED_S))
        if parked:
            await self._queue.put(parked)
        return ids

    async def _until_woken(self) -> None:
        await waited(self._woken, SCAN_S)
        self._woken.clear()
