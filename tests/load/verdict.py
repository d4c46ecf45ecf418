"""Which promises an overload broke, and its figures as a table."""

from collections import Counter
from collections.abc import Iterator

from bench.load.job import Spread
from bench.table import Cell

from tests.load.overload import Figures
from tests.load.watch import ADMIN, PUBLIC

GOODPUT = 0.8
GROWTH_MB = 512  # of a gateway, whatever was offered
KEPT_FILES = 64  # pools that grew: connections to PostgreSQL, Valkey, the model service
SHOWN = 5


def broken(figures: Figures) -> Iterator[str]:
    """Yield each promise that was not kept, ratios of time left out."""
    wrong = Counter(f"{o.kind}: {o.status} {o.problem}" for o in figures.outcomes if not o.is_kept)
    for what, times in wrong.most_common(SHOWN):
        yield f"{times} times {what}"
    yield from figures.seen.complaints[:SHOWN]
    if figures.drained_s is None:
        yield f"the queue of {figures.deepest} runs was not drained"
    if figures.lost:
        yield f"{figures.lost} acknowledged runs did not complete"
    grown_mb = max(figures.seen.memory_mb) - figures.memory_before
    if grown_mb > GROWTH_MB * figures.plan.gateways:
        yield f"the gateways grew by {grown_mb:.0f} MB"
    if figures.files_after > figures.files_before + KEPT_FILES:
        yield f"descriptors: {figures.files_before} before, {figures.files_after} after"


def slowed(figures: Figures) -> Iterator[str]:
    if figures.goodput < GOODPUT * figures.peak:
        yield f"goodput {figures.goodput:.1f}/s of {figures.peak:.1f}/s"


def rows(figures: Figures) -> Iterator[tuple[str, Cell]]:
    counts = Counter(outcome.status for outcome in figures.outcomes)
    yield "runs/s at the capacity", figures.peak
    yield "requests/s offered", figures.offered
    yield "runs/s completed meanwhile", figures.goodput
    yield "of the peak", f"{figures.goodput / figures.peak:.0%}"
    yield "2xx", sum(n for status, n in counts.items() if 200 <= status < 300)
    yield "429", counts[429]
    yield "503", counts[503]
    yield "anything else", sum(not outcome.is_kept for outcome in figures.outcomes)
    yield "answers p50, p99 s", spread(figures.waits())
    for path in (*PUBLIC, *ADMIN):
        yield f"{path} p50, p99 ms", spread(figures.seen.spread(path), 1000)
    yield "unfinished runs at the end", figures.deepest
    yield "drained after s", "never" if figures.drained_s is None else figures.drained_s
    yield "acknowledged runs", len(figures.run_ids)
    yield "of them not completed", figures.lost
    yield "MB before, most, after", " / ".join(map(_whole, _memory_mb(figures)))
    yield "descriptors before, after", f"{figures.files_before} / {figures.files_after}"
    yield "gateway CPU, of a core", f"{figures.cpu_share:.0%}"


def spread(times: Spread, unit: int = 1) -> str:
    return f"{times.p50_s * unit:,.3g} / {times.p99_s * unit:,.3g}"


def _memory_mb(figures: Figures) -> tuple[float, float, float]:
    return figures.memory_before, max(figures.seen.memory_mb), figures.memory_after


def _whole(number: float) -> str:
    return f"{number:.0f}"
