"""One queue at work: its worker processes, and what is witnessed."""

import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench import machine
from bench.process import Process
from bench.queues.note import PATH, Note, Witness
from bench.queues.rival import Rival, Urls
from bench.stage import Stage

START_S = 60.0


class Trial:
    """Numbers of notes are never used twice."""

    def __init__(self, here: Stage, rival: Rival) -> None:
        self.here = here
        self.rival = rival
        self.witness = Witness(here.directory / f"witness-{rival.name}-{time.monotonic_ns()}")
        self._next = 0

    def notes(
        self, count: int, *, who: int = 0, priority: int = 0, wait_ms: int = 0
    ) -> Sequence[Note]:
        first, self._next = self._next, self._next + count
        return [
            Note(n=n, who=who, priority=priority, wait_ms=wait_ms)
            for n in range(first, first + count)
        ]

    def start(self, slots: int) -> Process:
        """Start a worker on the core of what is under test."""
        ours = {"POLYAGENT_APP": "bench.queues.own:app", PATH: str(self.witness.path)}
        log = self.here.directory / f"worker-{self.rival.name}.log"
        words = self.rival.words(slots)
        environ = self.here.environ | ours
        return Process(*words, log=log, cores=self.here.server_cores, environ=environ)

    @asynccontextmanager
    async def worker(self, slots: int) -> AsyncIterator[Process]:
        """A worker that has done a first note."""
        with self.start(slots) as process:
            await self.does(1)
            yield process

    async def does(self, count: int, *, wait_ms: int = 0) -> None:
        notes = self.notes(count, wait_ms=wait_ms)
        for note in notes:
            await self.rival.put(note)
        if not await self.ended(notes, START_S):
            raise RuntimeError(f"{self.rival.name} does not begin to work")

    async def ended(self, notes: Sequence[Note], limit_s: float) -> bool:
        return await self.witness.until(
            lambda: all(self.witness.ended[note.n] for note in notes), limit_s
        )

    def begun(self, notes: Sequence[Note]) -> list[float]:
        return [at for note in notes for at in self.witness.begun[note.n]]

    def lost(self, notes: Sequence[Note]) -> int:
        return sum(not self.witness.ended[note.n] for note in notes)

    def twice(self, notes: Sequence[Note]) -> int:
        return sum(len(self.witness.ended[note.n]) > 1 for note in notes)


def kill(process: Process) -> float:
    """SIGKILL a process and what came of it; return when."""
    for pid in machine.family(process.pid):
        os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def urls_of(here: Stage) -> Urls:
    return Urls(here.engines.database_url, here.engines.redis_url)
