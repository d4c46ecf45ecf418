"""What a chat costs through the OpenAI front, beside our own API on the same gateway."""

from typing import Any

from msgspec.structs import replace

from bench.load.job import Result
from bench.parts.chat import TOKENS, Kind, measure
from bench.stage import ASK_BARE, Server, Stage
from bench.subjects.model_service import Pace
from bench.table import show

AT_ONCE = (16, 64)
COLUMNS = ("at once", "asked by", "p50 ms", "p99 ms", "gateway ms", "x own API", "errors")
PATH = "/v1/chat/completions"


def run(here: Stage) -> None:
    """The two are asked in turn; CPU is told per request, or per 1,000 tokens."""
    seconds = 3.0 if here.quick else 8.0
    with here.gateway() as own:
        front = _fronted(here, own)
        for kind in (
            Kind(
                title="Plain, own API and front: CPU in ms a request",
                pace=Pace(first_ms=0, gap_ms=0, tokens=TOKENS),
                streamed=False,
                seconds=seconds,
            ),
            Kind(
                title="Streamed, own API and front: CPU in ms per 1,000 tokens",
                pace=Pace(first_ms=10, gap_ms=10, tokens=TOKENS),
                streamed=True,
                seconds=seconds,
            ),
        ):
            here.pace(kind.pace)
            rows = [row for n in AT_ONCE for row in _rows(here, kind, own, front, n)]
            show(kind.title, COLUMNS, rows)


def _fronted(here: Stage, own: Server) -> Server:
    ask: dict[str, Any] = {**ASK_BARE, "model": "agent/general"}
    plain, streamed = (here.chat(PATH, {**ask, "stream": stream}) for stream in (False, True))
    return replace(own, name="front", plain=plain, streamed=streamed)


def _rows(
    here: Stage, kind: Kind, own: Server, front: Server, at_once: int
) -> list[tuple[float | str, ...]]:
    """Measure twice each, in turn, so that what else the machine does meets both."""
    spent: dict[str, float] = {own.name: 0.0, front.name: 0.0}
    answered, found = dict.fromkeys(spent, 0), {}
    for server in (own, front, own, front):
        found[server.name] = each = measure(here, kind, server, at_once, kind.seconds)
        spent[server.name] += each.server_s
        answered[server.name] += each.result.answered
    units = TOKENS / 1000 if kind.streamed else 1
    cost_ms = {name: spent[name] * 1000 / (answered[name] * units or 1) for name in spent}
    return [
        (
            at_once,
            name,
            *_times_ms(kind, found[name].result),
            cost_ms[name],
            cost_ms[name] / cost_ms[own.name],
            found[name].result.errors,
        )
        for name in spent
    ]


def _times_ms(kind: Kind, result: Result) -> tuple[float, float]:
    times = result.first if kind.streamed else result.whole
    return times.p50_s * 1000, times.p99_s * 1000
