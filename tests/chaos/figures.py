"""The figures of a drill, as a table."""

from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import quantiles

from tests.chaos.history import after_its_record, begun_by_key, is_durable
from tests.chaos.ledger import Line
from tests.chaos.records import History, Injected
from tests.chaos.rest import Rest

SETTLED_S = 15.0


def table(history: History, ledger: Sequence[Line], rest: Rest) -> str:
    rows = [*_runs(history, rest), *_faults(history), *_calls(ledger, rest)]
    rows += [*_reading(history, rest), *_takeovers(history, rest)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _runs(history: History, rest: Rest) -> Iterator[tuple[str, object]]:
    runs = [*rest.runs.values()]
    accepted = {run_id for sent in history.sent for run_id in sent.run_ids}
    ends = {"completed", "failed", "cancelled"}
    lost = [i for i in accepted if i not in rest.runs or rest.runs[i].status not in ends]
    yield "runs accepted", len(accepted)
    yield "accepted runs lost", len(lost)
    for status in ("completed", "cancelled", "failed"):
        yield f"runs {status}", sum(run.status == status for run in runs)
    codes = [str(run.error["code"]) for run in runs if run.status == "failed" and run.error]
    yield "codes of failed runs", ", ".join(sorted(set(codes))) or "-"
    yield "most attempts of a run", max(run.attempt for run in runs)


def _faults(history: History) -> Iterator[tuple[str, object]]:
    kinds = [fault.kind for fault in history.faults]
    for kind in sorted(set(kinds)):
        yield f"faults: {kind}", kinds.count(kind)
    kills = [fault for fault in history.faults if fault.kind == "kill"]
    yield "kills in the middle of a tool call", sum(bool(fault.calls) for fault in kills)
    yield "tool calls that kills cut off", sum(len(fault.calls) for fault in kills)
    drains = [fault.drained_s for fault in history.faults if fault.drained_s is not None]
    yield "longest drain, s", f"{max(drains):.1f}" if drains else "-"
    yield "normal again after, s", f"{history.recovered_s:.1f}" if history.recovered_s else "-"


def _calls(ledger: Sequence[Line], rest: Rest) -> Iterator[tuple[str, object]]:
    executions = begun_by_key(ledger)
    repeats = {key: len(lines) - 1 for key, lines in executions.items()}
    effects = {call.key: call.effect for call in rest.calls}
    yield "tool calls", len(rest.calls)
    yield "executions", sum(len(lines) for lines in executions.values())
    beyond = chain.from_iterable(after_its_record(c, executions.get(c.key, [])) for c in rest.calls)
    yield "executions of a recorded call beyond the first", len([*beyond])
    once = [repeats[key] for key in repeats if effects.get(key) == "once"]
    yield "once calls executed more than once", sum(n > 0 for n in once)
    yield "once calls in doubt", sum(call.state == "in_doubt" for call in rest.calls)
    others = [repeats[key] for key in repeats if effects.get(key) != "once"]
    yield "other calls repeated under their key", sum(n > 0 for n in others)


def _reading(history: History, rest: Rest) -> Iterator[tuple[str, object]]:
    missed = repeated = disordered = seen = 0
    for reader in history.readers:
        ids = [event["id"] for event in reader.events if is_durable(event)]
        wanted = [e.id for e in rest.events.get(reader.run_id, []) if e.id > reader.after]
        seen += len(ids)
        repeated += len(ids) - len(set(ids))
        disordered += ids != sorted(ids)
        missed += len({*wanted} - {*ids}) if reader.finished else 0
    sockets = sum(reader.name == "socket" for reader in history.readers)
    yield "readers, of them by WebSocket", f"{len(history.readers)}, {sockets}"
    yield "their connections", sum(reader.connections for reader in history.readers)
    yield "durable events seen", seen
    yield (
        "durable events missed, repeated; readers out of order",
        f"{missed}, {repeated}; {disordered}",
    )
    deltas = (not is_durable(event) for reader in history.readers for event in reader.events)
    yield "deltas seen", sum(deltas)


def _takeovers(history: History, rest: Rest) -> Iterator[tuple[str, object]]:
    kills = [fault for fault in history.faults if fault.kind == "kill"]
    calm = [kill for kill in kills if not _is_unsettled(kill, history)]
    yield "takeovers p50, p99, most, s", _spread([*takeovers_s(calm, rest)])
    yield "the same, also beside a restart of Postgres", _spread([*takeovers_s(kills, rest)])


def takeovers_s(kills: Sequence[Injected], rest: Rest) -> Iterator[float]:
    """Yield, for each run that a kill caught in a tool call, the time until another process had it."""
    for kill in kills:
        for run_id in {call.run_id for call in kill.calls}:
            later = (
                event.at.timestamp() - kill.struck_s
                for event in rest.events.get(run_id, [])
                if event.type == "run.resumed" and event.at.timestamp() > kill.struck_s
            )
            if (first := next(later, None)) is not None:
                yield first


def _is_unsettled(kill: Injected, history: History) -> bool:
    """Whether Postgres was restarted about then: nobody is declared dead soon after that."""
    restarts = [fault for fault in history.faults if fault.kind == "restart_postgres"]
    return any(
        fault.began_s - SETTLED_S < kill.struck_s < fault.ended_s + SETTLED_S for fault in restarts
    )


def _spread(samples: Sequence[float]) -> str:
    if len(samples) < 2:
        return f"too few ({len(samples)})"
    hundredths = quantiles(samples, n=100, method="inclusive")
    return f"{hundredths[49]:.2f}, {hundredths[98]:.2f}, {max(samples):.2f} (of {len(samples)})"
