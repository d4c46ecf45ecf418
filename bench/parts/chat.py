"""What a chat costs, plain and streamed, beside a direct call and a bare pass-through."""

import msgspec

from bench import machine
from bench.load.generator import load
from bench.load.job import Job, Result
from bench.stage import Server, Stage
from bench.subjects.model_service import Pace
from bench.table import say, show

TOKENS = 100
AT_ONCE = (1, 16, 64, 200)
COLUMNS = (
    *("at once", "server", "req/s", "p50 ms", "p99 ms", "added p50", "added p99"),
    *("gateway ms", "x bare", "PostgreSQL ms", "Valkey ms", "errors"),
)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A way to chat. CPU is told per request, or per 1,000 tokens."""

    title: str
    pace: Pace
    streamed: bool
    seconds: float


class Measured(msgspec.Struct, frozen=True):
    """CPU in seconds, of the server and of the two engines."""

    result: Result
    server_s: float
    postgres_s: float
    valkey_s: float


def run(here: Stage) -> None:
    """Each number of clients loads the three servers one after the other."""
    seconds = 1.5 if here.quick else 6.0
    plain = Kind(
        title="Plain chat: the model answers 100 tokens at once; CPU in ms a request",
        pace=Pace(first_ms=0, gap_ms=0, tokens=TOKENS),
        streamed=False,
        seconds=seconds,
    )
    streamed = Kind(
        title="Streamed chat: 100 tokens, one each 10 ms; CPU in ms per 1,000 tokens",
        pace=Pace(first_ms=10, gap_ms=10, tokens=TOKENS),
        streamed=True,
        seconds=seconds + 1,
    )
    with here.passthrough() as bare, here.gateway() as gateway:
        servers = (here.direct(), bare, gateway)
        for kind in (plain, streamed):
            here.pace(kind.pace)
            _compare(here, kind, servers)


def _compare(here: Stage, kind: Kind, servers: tuple[Server, ...]) -> None:
    rows = []
    for server in servers[1:]:
        measure(here, kind, server, at_once=16, seconds=1.0)
    for at_once in (16, 200) if here.quick else AT_ONCE:
        found = [measure(here, kind, server, at_once, kind.seconds) for server in servers]
        direct, bare, _ = found
        rows += [
            (at_once, server.name, *_cells(kind, each, direct, bare))
            for server, each in zip(servers, found, strict=True)
        ]
    show(kind.title, COLUMNS, rows)


def measure(here: Stage, kind: Kind, server: Server, at_once: int, seconds: float) -> Measured:
    job = Job(
        ports=(server.port,),
        requests=(server.streamed if kind.streamed else server.plain,),
        at_once=at_once,
        seconds=seconds,
        tokens=TOKENS,
        warm_s=min(1.0, seconds / 2),
    )
    roots = (server.pid, here.engines.postgres_pid, here.engines.valkey_pid)
    before = [machine.cpu_s(pid) if pid else 0.0 for pid in roots]
    result = load(job, here.other_cores)
    used = [(machine.cpu_s(pid) if pid else 0.0) - b for pid, b in zip(roots, before, strict=True)]
    for complaint in result.complaints:
        say(f"{server.name}: {complaint}")
    return Measured(result, *used)


def _cells(kind: Kind, each: Measured, direct: Measured, bare: Measured) -> tuple[float | str, ...]:
    p50, p99 = _times_ms(kind, each)
    direct_p50, direct_p99 = _times_ms(kind, direct)
    if each is direct:
        return (each.result.per_s, p50, p99, "", "", "", "", "", "", each.result.errors)
    server, own = _cost_ms(kind, each, each.server_s), _cost_ms(kind, bare, bare.server_s)
    engines = (
        ("", "")
        if each is bare
        else tuple(_cost_ms(kind, each, used_s) for used_s in (each.postgres_s, each.valkey_s))
    )
    times = (p50, p99, p50 - direct_p50, p99 - direct_p99)
    ratio = server / own if own else 0.0
    return (each.result.per_s, *times, server, ratio, *engines, each.result.errors)


def _times_ms(kind: Kind, each: Measured) -> tuple[float, float]:
    """Return p50 and p99 of what a client waits for: the first token, or the whole plain answer."""
    times = each.result.first if kind.streamed else each.result.whole
    return times.p50_s * 1000, times.p99_s * 1000


def _cost_ms(kind: Kind, each: Measured, used_s: float) -> float:
    units = each.result.answered * (TOKENS / 1000 if kind.streamed else 1)
    return used_s * 1000 / units if units else 0.0
