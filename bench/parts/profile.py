"""Where the time of a chat goes in the gateway: cProfile in its worker, plain and streamed.

The profiler makes calls of Python dearer than they are: read shares, not sums.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench import machine
from bench.load.generator import load
from bench.load.job import Job
from bench.stage import Server, Stage
from bench.subjects.model_service import Pace
from bench.subjects.profiled import Line
from bench.table import show

AT_ONCE = 16
TOKENS = 100
ROWS = 45
WRITTEN_S = 30.0
COLUMNS = ("where", "calls", "own us", "with callees us")

Row = tuple[str, float, float, float]


def run(here: Stage) -> None:
    """Figures are per request."""
    with here.gateway(module="bench.subjects.profiled") as gateway:
        here.pace(Pace(first_ms=0, gap_ms=0, tokens=TOKENS))
        _profile(here, gateway, gateway.plain, "Plain chat")
        here.pace(Pace(first_ms=10, gap_ms=10, tokens=TOKENS))
        _profile(here, gateway, gateway.streamed, "Streamed chat, 100 tokens")


def _profile(here: Stage, gateway: Server, request: str, title: str) -> None:
    job = Job(
        ports=(gateway.port,),
        requests=(request,),
        at_once=AT_ONCE,
        seconds=3.0 if here.quick else 8.0,
        tokens=TOKENS,
    )
    load(job, here.other_cores)
    (worker,) = (pid for pid in machine.family(gateway.pid) if pid != gateway.pid)
    os.kill(worker, signal.SIGUSR2)
    answered = load(job, here.other_cores).answered
    os.kill(worker, signal.SIGUSR2)
    rows = [_row(line, answered) for line in _written(here.profile)]
    show(f"{title}: own time", COLUMNS, _top(rows, lambda row: row[2]))
    show(f"{title}: time with callees", COLUMNS, _top(rows, lambda row: row[3]))


def _written(file: Path) -> list[Line]:
    """Wait for the profile, and take it away."""
    until = time.monotonic() + WRITTEN_S
    while not file.exists():
        if time.monotonic() > until:
            raise RuntimeError("the worker wrote no profile")
        time.sleep(0.1)
    lines = msgspec.json.decode(file.read_bytes(), type=list[Line])
    file.unlink()
    return lines


def _row(line: Line, requests: int) -> Row:
    place = "/".join(Path(line.file).parts[-3:])
    where = f"{place}:{line.line} {line.name}" if line.line else line.name
    own_us, all_us = (seconds * 1e6 / requests for seconds in (line.own_s, line.all_s))
    return (where, line.calls / requests, own_us, all_us)


def _top(rows: list[Row], key: Callable[[Row], float]) -> list[Row]:
    return sorted(rows, key=key, reverse=True)[:ROWS]
