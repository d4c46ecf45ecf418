"""What the beats of many idle processes cost the one PostgreSQL that they share."""

import subprocess
import sys
import time

import msgspec

from bench import machine
from bench.stage import Stage
from bench.subjects.beats import Beaten, Beating
from bench.table import show

PROCESSES = (10, 100)
WAL = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS bytes"
COLUMNS = (
    *("processes", "beats/s", "beat p50 ms", "beat p99 ms", "longest gap s"),
    *("PostgreSQL CPU, % of a core", "WAL kB/s"),
)


def run(here: Stage) -> None:
    """A process here has its own direct connection, and shares its pool with the others."""
    seconds = 3.0 if here.quick else 15.0
    rows = [_row(here, processes, seconds) for processes in PROCESSES]
    show("Idle processes: a beat and a scan for claims twice a second each", COLUMNS, rows)


def _row(here: Stage, processes: int, seconds: float) -> tuple[float, ...]:
    url = here.engines.database_url
    beating = Beating(database_url=url, processes=processes, seconds=seconds)
    used_s, wal = machine.cpu_s(here.engines.postgres_pid), here.query(WAL)
    began = time.monotonic()
    beaten = _beaten(here, beating)
    took_s = time.monotonic() - began
    used_s = machine.cpu_s(here.engines.postgres_pid) - used_s
    written = here.query(WAL)["bytes"] - wal["bytes"]
    return (
        processes,
        beaten.count / seconds,
        beaten.took.p50_s * 1000,
        beaten.took.p99_s * 1000,
        beaten.longest_gap_s,
        used_s / took_s * 100,
        written / took_s / 1024,
    )


def _beaten(here: Stage, beating: Beating) -> Beaten:
    with machine.on(here.server_cores):
        done = subprocess.run(
            [sys.executable, "-m", "bench.subjects.beats"],
            input=msgspec.json.encode(beating),
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return msgspec.json.decode(done.stdout, type=Beaten)
