"""How many tasks a second a queue takes and does, and how long one takes to start."""

import asyncio
import time
from collections.abc import Sequence
from statistics import quantiles

from bench import machine
from bench.queues.trial import Trial
from bench.stage import Stage
from bench.table import Cell

RATES = (
    *("put one by one /s", "in bulk /s", "no-ops /s", "worker CPU us", "PostgreSQL CPU us"),
    *("rows", "transactions", "WAL bytes"),
)
IDLE = (
    *("worker CPU %", "PostgreSQL CPU %", "Valkey CPU %", "transactions/s"),
    *("start p50 ms", "p99 ms"),
)

SLOTS = 100
GAP_S = 0.05
TOLD_S = 2.0  # backends tell what they counted about once a second
LIMIT_S = 120.0
COUNTS = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS xids, xact_commit AS commits,
    tup_inserted + tup_updated + tup_deleted AS rows,
    pg_current_wal_lsn() - '0/0'::pg_lsn AS wal_bytes
FROM pg_stat_database WHERE datname = current_database()
"""


async def rates(trial: Trial) -> Sequence[Cell]:
    one_by_one = await _one_by_one(trial)
    await trial.rival.clear()
    return [one_by_one, *await _flow(trial)]


async def _one_by_one(trial: Trial) -> float:
    for note in trial.notes(20):
        await trial.rival.put(note)
    seconds = 0.5 if trial.here.quick else 2.0
    count, began = 0, time.monotonic()
    while time.monotonic() < began + seconds:
        await trial.rival.put(*trial.notes(1))
        count += 1
    return count / (time.monotonic() - began)


async def _flow(trial: Trial) -> Sequence[Cell]:
    """Enqueue many, then have one worker do them; what it costs is from the first put to the last end."""
    count = 2_000 if trial.here.quick else 20_000
    before = await _counts(trial.here)
    notes = trial.notes(count)
    began = time.monotonic()
    await trial.rival.put_all(notes)
    in_bulk = count / (time.monotonic() - began)
    used_s = machine.cpu_s(trial.here.engines.postgres_pid)
    with trial.start(SLOTS) as process:
        await trial.witness.until(lambda: bool(trial.witness.begun[notes[0].n]), LIMIT_S)
        own_s = machine.cpu_s(process.pid)
        await _until_none_left(trial)
        took_s = time.monotonic() - min(trial.begun(notes))
        own_s = machine.cpu_s(process.pid) - own_s
        used_s = machine.cpu_s(trial.here.engines.postgres_pid) - used_s
    after = await _counts(trial.here)
    written = [(after[name] - before[name]) / count for name in ("rows", "xids", "wal_bytes")]
    return [in_bulk, count / took_s, own_s / count * 1e6, used_s / count * 1e6, *written]


async def _until_none_left(trial: Trial) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await trial.rival.left():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)
    trial.witness.read()


async def idle(trial: Trial) -> Sequence[Cell]:
    async with trial.worker(SLOTS) as process:
        idle_cells = await _idle(trial, process.pid)
        starts_ms = await _starts_ms(trial)
    hundredths = quantiles(starts_ms, n=100, method="inclusive")
    return [*idle_cells, hundredths[49], hundredths[98]]


async def _idle(trial: Trial, pid: int) -> Sequence[Cell]:
    seconds = 2.0 if trial.here.quick else 10.0
    roots = (pid, trial.here.engines.postgres_pid, trial.here.engines.valkey_pid)
    before = await _counts(trial.here)
    used_s, began = [*map(machine.cpu_s, roots)], time.monotonic()
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - began
    used = [machine.cpu_s(root) - was_s for root, was_s in zip(roots, used_s, strict=True)]
    after = await _counts(trial.here)
    commits = (after["commits"] - before["commits"]) / (took_s + TOLD_S)
    return [*(each / took_s * 100 for each in used), commits]


async def _starts_ms(trial: Trial) -> list[float]:
    """Put tasks 20 a second; return from before each was put until it began."""
    notes = trial.notes(40 if trial.here.quick else 200)
    put_at: list[float] = []
    for note in notes:
        put_at.append(time.monotonic())
        await trial.rival.put(note)
        await asyncio.sleep(GAP_S)
    await trial.ended(notes, LIMIT_S)
    begun = [trial.witness.begun[note.n][0] for note in notes]
    return [(at - put) * 1000 for at, put in zip(begun, put_at, strict=True)]


async def _counts(here: Stage) -> dict[str, float]:
    await asyncio.sleep(TOLD_S)
    return await asyncio.to_thread(here.query, COUNTS)
