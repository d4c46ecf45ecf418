"""Where one PostgreSQL ends: turns a second of several gateways on it, and what a turn writes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench import machine
from bench.load.generator import load
from bench.load.job import Job, Result
from bench.stage import Server, Stage
from bench.subjects.model_service import Pace
from bench.table import show

GATEWAYS = (1, 2, 4, 8)
AT_ONCE = 16
TOKENS = 100
TOLD_S = 2.0  # backends tell what they counted about once a second

COUNTS = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS transactions,
    tup_inserted + tup_updated + tup_deleted AS rows,
    pg_current_wal_lsn() - '0/0'::pg_lsn AS wal_bytes
FROM pg_stat_database WHERE datname = current_database()
"""
COLUMNS = (
    *("gateways", "turns/s", "p50 ms", "p99 ms", "gateways CPU ms", "PostgreSQL CPU ms"),
    *("turns/s a core of PostgreSQL", "errors"),
)
WRITES = ("of a turn", "of an idle gateway, a second")


def run(here: Stage) -> None:
    here.pace(Pace(first_ms=0, gap_ms=0, tokens=TOKENS))
    with _on_all_cores(here) as cores:
        _writes(here, cores)
        rows = [_row(here, cores, count) for count in (GATEWAYS[:2] if here.quick else GATEWAYS)]
    show("One PostgreSQL, several gateways: nothing is pinned, CPU in ms a turn", COLUMNS, rows)


@contextmanager
def _on_all_cores(here: Stage) -> Iterator[machine.Cores]:
    cores = here.server_cores | here.other_cores
    machine.move(machine.family(here.engines.postgres_pid), cores)
    yield cores
    machine.move(machine.family(here.engines.postgres_pid), here.other_cores)


def _writes(here: Stage, cores: machine.Cores) -> None:
    """Count what turns write; of what was written meanwhile, the gateway's beats are left out."""
    seconds = 2.0 if here.quick else 8.0
    with here.gateway(cores=cores) as gateway:
        idle, idle_s = _counted(here, lambda: time.sleep(seconds))
        results: list[Result] = []
        busy, busy_s = _counted(here, lambda: results.append(_loaded(here, [gateway], seconds)))
    turns = results[0].answered
    rows = []
    for name, count in busy.items():
        idle_rate = idle[name] / idle_s
        rows.append((name.replace("_", " "), (count - idle_rate * busy_s) / turns, idle_rate))
    show("What is written in PostgreSQL", ("", *WRITES), rows)


def _counted(here: Stage, work: Callable[[], None]) -> tuple[dict[str, float], float]:
    """Return by how much the counts grew, and in how many seconds."""
    before, began = here.query(COUNTS), time.monotonic()
    work()
    time.sleep(TOLD_S)
    after = here.query(COUNTS)
    return {name: after[name] - before[name] for name in after}, time.monotonic() - began


def _row(here: Stage, cores: machine.Cores, count: int) -> Sequence[float]:
    with ExitStack() as stack:
        gateways = [stack.enter_context(here.gateway(cores=cores)) for _ in range(count)]
        roots = [here.engines.postgres_pid, *(gateway.pid for gateway in gateways)]
        _loaded(here, gateways, 1.0)
        before = [machine.cpu_s(pid) for pid in roots]
        result = _loaded(here, gateways, 1.5 if here.quick else 6.0)
        postgres_s, *own_s = (machine.cpu_s(p) - b for p, b in zip(roots, before, strict=True))
    turns = result.answered
    return (
        count,
        result.per_s,
        result.whole.p50_s * 1000,
        result.whole.p99_s * 1000,
        sum(own_s) * 1000 / turns,
        postgres_s * 1000 / turns,
        turns / postgres_s,
        result.errors,
    )


def _loaded(here: Stage, gateways: Sequence[Server], seconds: float) -> Result:
    """Load all of them by one generator, each by as many clients."""
    cores = here.server_cores | here.other_cores
    job = Job(
        ports=tuple(gateway.port for gateway in gateways),
        requests=(gateways[0].plain,),
        at_once=AT_ONCE * len(gateways),
        seconds=seconds,
        tokens=TOKENS,
    )
    return load(job, cores)
