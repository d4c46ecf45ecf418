"""What a selftest found, in plain words."""

from collections.abc import Iterator

from polyagent.domain.selftest import SelftestReport

LABEL = 12


def told(report: SelftestReport) -> Iterator[str]:
    """Yield the lines, the verdict last."""
    yield ""
    yield f"PolyAgent {report.version} selftest, seed {report.seed}, {report.seconds:.0f} s"
    yield ""
    for label, text in _facts(report):
        yield f"  {label:{LABEL}}{text}"
    yield ""
    yield from _verdict(report)


def _facts(report: SelftestReport) -> Iterator[tuple[str, str]]:
    yield "On", ", ".join(report.ground)
    yield from _deaths(report)
    yield from _calls(report)
    yield from _events(report)


def _deaths(report: SelftestReport) -> Iterator[tuple[str, str]]:
    runs, kills, takeovers = report.runs, report.kills, report.takeovers
    yield (
        "Runs",
        f"{runs.accepted} accepted, {runs.completed} completed, {runs.failed} failed, {runs.lost} lost",
    )
    yield (
        "Kills",
        f"{kills.done} x kill -9, {kills.in_a_call} in the middle of a tool call ({kills.calls} calls)",
    )
    if takeovers.median_s is not None and takeovers.worst_s is not None:
        times = f"median {takeovers.median_s:.1f} s, worst {takeovers.worst_s:.1f} s, as a reader sees it"
        yield "Takeovers", f"{takeovers.seen}: {times}"


def _calls(report: SelftestReport) -> Iterator[tuple[str, str]]:
    calls, once, repeats = report.calls, report.once, report.repeats
    yield (
        "Tool calls",
        f"{calls.recorded} results recorded; executed again after that: {calls.after_result}",
    )
    doubt = f"{once.in_doubt} in doubt, of which the model was told {once.told}"
    yield (
        "`once`",
        f"{once.executed_once} executed once, {once.executed_again} more than once, {doubt}",
    )
    keys = f"{repeats.same_key} repeated under the same idempotency key, {repeats.other_key} under another"
    yield "read, write", keys


def _events(report: SelftestReport) -> Iterator[tuple[str, str]]:
    events = report.events
    yield "Readers", f"{events.readers}, {events.reconnects} reconnects, {events.read} events read"
    wrong = (
        f"{events.missed} missed, {events.repeated} repeated, {events.out_of_order} out of order"
    )
    yield "Events", wrong


def _verdict(report: SelftestReport) -> Iterator[str]:
    if report.held:
        yield "HELD: nothing was lost, nothing was done twice, nothing was misread."
    else:
        yield from (f"  {example}" for example in report.events.examples)
        yield f"FAILED: {'; '.join(report.faults())}."
