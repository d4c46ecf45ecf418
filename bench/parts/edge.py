"""What a request costs before anything answers it: the edge, its limits, and finding out who asks."""

from collections.abc import Iterator

from bench import machine
from bench.load.generator import load, request
from bench.load.job import Job
from bench.stage import Server, Stage
from bench.table import show

AT_ONCE = 16
PATH = "/api/v1/tools/calculator"
NEW_KEY = {"name": "bench", "scopes": ["chat", "agents:read"]}
COLUMNS = ("request", "req/s", "p50 ms", "p99 ms", "CPU us", "more us", "errors")

Row = tuple[str | float, ...]


def run(here: Stage) -> None:
    """Each request is answered out of memory; each line adds something to the one before."""
    rows = []
    with here.passthrough() as bare:
        rows.append(_row(here, bare, "bare Litestar", request("GET", "/health/ready"), None))
    with here.gateway() as gateway:
        for name, asked in _requests(here, gateway):
            rows.append(_row(here, gateway, name, asked, rows[0]))
    show("The edge: CPU of the server in us a request, and how much more than bare", COLUMNS, rows)


def _requests(here: Stage, gateway: Server) -> Iterator[tuple[str, str]]:
    with here.client(gateway) as client:
        key = client.post("/api/v1/api-keys", json=NEW_KEY).raise_for_status().json()["secret"]
    yield "through the edge", request("GET", "/health/live")
    yield "and a limit of its address", request("GET", "/problems/not_found")
    yield "and a token, a limit of its user", request("GET", PATH, Authorization=here.authorization)
    yield "the same with an API key", request("GET", PATH, Authorization=f"Bearer {key}")


def _row(here: Stage, server: Server, name: str, asked: str, bare: Row | None) -> Row:
    job = Job(
        ports=(server.port,),
        requests=(asked,),
        at_once=AT_ONCE,
        seconds=2.0 if here.quick else 6.0,
        tokens=0,
    )
    load(job, here.other_cores)
    before = machine.cpu_s(server.pid)
    result = load(job, here.other_cores)
    cost_us = (machine.cpu_s(server.pid) - before) * 1e6 / (result.answered or 1)
    more_us = cost_us - float(bare[4]) if bare else 0.0
    times_ms = (result.whole.p50_s * 1000, result.whole.p99_s * 1000)
    return (name, result.per_s, *times_ms, cost_us, more_us, result.errors)
