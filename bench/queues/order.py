"""Who waits for whom: one task behind very many, in service times."""

import time
from collections.abc import Sequence

from bench.queues.trial import Trial
from bench.table import Cell

COLUMNS = ("priority 9 of the same user", "of another user", "priority 0 of another user")

SLOTS = 4
WAIT_MS = 25
LIMIT_S = 10.0


async def measure(trial: Trial) -> Sequence[Cell]:
    """Return after how many service times each began; they are put one after the other."""
    many = trial.notes(2_000 if trial.here.quick else 10_000, wait_ms=WAIT_MS)
    async with trial.worker(SLOTS):
        await trial.rival.put_all(many)
        await trial.witness.until(lambda: len(trial.begun(many)) > SLOTS, LIMIT_S)
        return [
            await _begins_after(trial, who, priority) for who, priority in ((0, 9), (1, 9), (2, 0))
        ]


async def _begins_after(trial: Trial, who: int, priority: int) -> Cell:
    if priority and not trial.rival.has_priorities:
        return "has none"
    (note,) = trial.notes(1, who=who, priority=priority, wait_ms=WAIT_MS)
    put_at = time.monotonic()
    await trial.rival.put(note)
    if not await trial.ended([note], LIMIT_S):
        return f"> {LIMIT_S * 1000 / WAIT_MS:.0f}"
    return (trial.witness.begun[note.n][0] - put_at) * 1000 / WAIT_MS
