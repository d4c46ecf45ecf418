"""What is lost, and what is done twice, when a worker is killed or Redis forgets."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

from redis.asyncio import Redis

from bench.queues.note import Note
from bench.queues.trial import Trial, kill
from bench.table import Cell

KILLED = (
    "in flight",
    "lost",
    "ran to their end twice",
    "first again after s",
    "last again after s",
)
FLUSHED = ("lost", "done twice", "longest gap s")

COUNT = 1_000
SLOTS = 50
WAIT_MS = 100


def limit_s(trial: Trial) -> float:
    return 15.0 if trial.here.quick else 60.0


async def killed(trial: Trial) -> Sequence[Cell]:
    """Two workers are on a thousand tasks when one is killed; what it held is to begin again."""
    with ExitStack() as stack:
        first, _ = (stack.enter_context(trial.start(SLOTS)) for _ in range(2))
        await trial.does(2 * SLOTS, wait_ms=WAIT_MS)
        notes = trial.notes(COUNT, wait_ms=WAIT_MS)
        await trial.rival.put_all(notes)
        await trial.witness.until(lambda: len(trial.begun(notes)) > COUNT // 4, limit_s(trial))
        killed_at = kill(first)
        trial.witness.read()
        open_ones = [
            n for n in notes if len(trial.witness.begun[n.n]) > len(trial.witness.ended[n.n])
        ]
        await trial.ended(notes, limit_s(trial))
    cut = [note for note in open_ones if not _ended_at_once(trial, note, killed_at)]
    again = [at - killed_at for note in cut for at in trial.witness.begun[note.n] if at > killed_at]
    times: Sequence[Cell] = [min(again), max(again)] if again else ["-", "-"]
    return [len(cut), trial.lost(notes), trial.twice(notes), *times]


def _ended_at_once(trial: Trial, note: Note, killed_at: float) -> bool:
    """Whether the other worker had it: it went on to its end."""
    begun, ended = trial.witness.begun[note.n], trial.witness.ended[note.n]
    return len(begun) == 1 and len(ended) == 1


async def flushed(trial: Trial) -> Sequence[Cell]:
    """Redis loses everything in the middle of a thousand tasks."""
    if trial.rival.name == "pgqueuer":
        return ["no Redis"]
    async with trial.worker(SLOTS):
        notes = trial.notes(COUNT, wait_ms=WAIT_MS)
        await trial.rival.put_all(notes)
        await trial.witness.until(lambda: len(trial.begun(notes)) > COUNT // 4, limit_s(trial))
        flushed_at = time.monotonic()
        async with Redis.from_url(trial.here.engines.redis_url) as redis:
            await redis.flushall()
        await trial.ended(notes, limit_s(trial) / 2)
    begun = sorted(at for at in trial.begun(notes) if at > flushed_at)
    gap_s = max((b - a for a, b in pairwise([flushed_at, *begun])), default=0.0)
    return [trial.lost(notes), trial.twice(notes), gap_s]
