"""The evidence of a drill, counted."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import median
from typing import Any
from uuid import UUID

import msgspec

from polyagent.adapters.selftest.evidence import Evidence, Kill, ReaderLog, RunRecord
from polyagent.adapters.selftest.ledger import Entry
from polyagent.domain.selftest import (
    Calls,
    Events,
    Kills,
    OnceCalls,
    Repeats,
    Runs,
    Takeovers,
)

EXAMPLES = 5
FLEETING = ("message.delta", "reasoning.delta", "tool.arguments.delta", "tool.progress")


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the journal knows, and its executions by the ledger, in order."""

    id: str
    name: str
    state: str | None
    result: Any
    executions: list[Entry]

    @property
    def is_once(self) -> bool:
        return self.name.endswith("_once")

    @property
    def recorded(self) -> int | None:
        """Return the place of the execution whose result was recorded; None: of none that we know."""
        told = self.result.get("execution") if isinstance(self.result, dict) else None
        found = [n for n, each in enumerate(self.executions) if str(each.execution) == told]
        return found[0] if found else None

    @property
    def after_result(self) -> int:
        return 0 if self.recorded is None else len(self.executions) - 1 - self.recorded

    @property
    def other_keys(self) -> int:
        return sum(each.key != self.executions[0].key for each in self.executions)


def calls_of(evidence: Evidence) -> list[CallRecord]:
    begun: dict[tuple[UUID | None, str], list[Entry]] = {}
    for entry in evidence.ledger:
        if entry.phase == "begun":
            begun.setdefault((entry.run_id, entry.label), []).append(entry)
    return [call for run in evidence.runs for call in _calls_of_run(run, begun)]


def _calls_of_run(
    run: RunRecord, begun: Mapping[tuple[UUID | None, str], list[Entry]]
) -> Iterable[CallRecord]:
    ended = {e["tool_call_id"]: e for e in reversed(run.journal) if e["type"] == "tool.completed"}
    for event in run.journal:
        if event["type"] == "tool.called":
            outcome = ended.get(event["tool_call_id"], {})
            yield CallRecord(
                id=event["tool_call_id"],
                name=event["name"],
                state=outcome.get("state"),
                result=outcome.get("result"),
                executions=begun.get((UUID(run.run_id), event["arguments"]["label"]), []),
            )


def count_runs(runs: list[RunRecord]) -> Runs:
    last = [run.journal[-1]["type"] if run.journal else None for run in runs]
    accepted = sum(run.run_id is not None for run in runs)
    completed = last.count("run.completed")
    failed = last.count("run.failed") + last.count("run.cancelled")
    return Runs(
        asked=len(runs),
        accepted=accepted,
        completed=completed,
        failed=failed,
        lost=accepted - completed - failed,
    )


def count_kills(kills: list[Kill], asked: int) -> Kills:
    return Kills(
        asked=asked,
        done=len(kills),
        in_a_call=sum(bool(kill.caught) for kill in kills),
        calls=sum(len(kill.caught) for kill in kills),
    )


def count_calls(calls: list[CallRecord]) -> Calls:
    done = [call for call in calls if call.state == "done"]
    return Calls(
        asked=len(calls),
        recorded=len(done),
        executions=sum(len(call.executions) for call in calls),
        after_result=sum(call.after_result for call in done),
        invented=sum(call.recorded is None for call in done),
        unended=sum(call.state not in ("done", "in_doubt") for call in calls),
    )


def count_once(calls: list[CallRecord], told: Mapping[str, str]) -> OnceCalls:
    once = [call for call in calls if call.is_once]
    doubtful = [call for call in once if call.state == "in_doubt"]
    return OnceCalls(
        asked=len(once),
        executed_once=sum(call.state == "done" and len(call.executions) == 1 for call in once),
        executed_again=sum(len(call.executions) > 1 for call in once),
        in_doubt=len(doubtful),
        told=sum(call.id in told for call in doubtful),
    )


def count_repeats(calls: list[CallRecord]) -> Repeats:
    repeatable = [call for call in calls if not call.is_once and call.executions]
    repeats = sum(len(call.executions) - 1 for call in repeatable)
    other_key = sum(call.other_keys for call in repeatable)
    return Repeats(same_key=repeats - other_key, other_key=other_key)


def count_events(runs: list[RunRecord]) -> Events:
    logs = [log for run in runs for log in run.readers]
    missed = [event for run in runs for log in run.readers for event in _missed(log, run)]
    refused = [log.refused for log in logs if log.refused is not None]
    return Events(
        readers=len(logs),
        reconnects=sum(log.reconnects for log in logs),
        read=sum(len(log.seen) for log in logs),
        missed=len(missed),
        repeated=sum(len(log.seen) - len({id_ for id_, _ in log.seen}) for log in logs),
        out_of_order=sum(_out_of_order(log) for log in logs),
        refused=len(refused),
        examples=(*missed, *refused)[:EXAMPLES],
    )


def _missed(log: ReaderLog, run: RunRecord) -> list[str]:
    """Name the durable events by which a reader and the journal differ, if both came to the end."""
    if not run.journal or log.refused is not None:
        return []
    kept = {(event["id"], event["type"]) for event in run.journal}
    apart = sorted(_durable(kept) ^ _durable(set(log.seen)))
    return [f"{type_} {id_} of run {run.run_id}" for id_, type_ in apart]


def _durable(events: set[tuple[int, str]]) -> set[tuple[int, str]]:
    return {event for event in events if event[1] not in FLEETING}


def _out_of_order(log: ReaderLog) -> int:
    return sum(later < earlier for (earlier, _), (later, _) in pairwise(log.seen))


def count_takeovers(seconds: list[float]) -> Takeovers:
    return Takeovers(
        seen=len(seconds),
        median_s=median(seconds) if seconds else None,
        worst_s=max(seconds, default=None),
    )
