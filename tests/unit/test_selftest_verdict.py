"""The verdict on a drill: it holds for a clean one, and each broken promise alone makes it fail."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from polyagent.adapters.selftest.evidence import Evidence, Kill, ReaderLog, RunRecord
from polyagent.adapters.selftest.ledger import Entry
from polyagent.adapters.selftest.selftest import report
from polyagent.domain.ids import new_id
from polyagent.domain.selftest import SelftestOptions, SelftestReport
from polyagent.domain.tool import Effect

RUN = new_id()
OTHER = 20_000_000


def entry(label: str, effect: Effect, *, key: str | None = None) -> Entry:
    return Entry(
        phase="begun",
        label=label,
        effect=effect,
        run_id=RUN,
        key=key or f"key of {label}",
        execution=new_id(),
        process=1,
    )


class Drill:
    """A drill in which all went well: a write that was repeated, a `once` call in doubt, one done."""

    def __init__(self) -> None:
        self.write = [entry("w", "write"), entry("w", "write")]
        self.once = [entry("o", "once")]
        self.doubtful = [entry("d", "once")]
        self.told = {"d": "nobody knows"}
        self.kills = [Kill(server="gateway 1", caught=[self.write[0], self.doubtful[0]])]
        self.run_id: str | None = str(RUN)
        self.journal = [
            *(self.called("w", "write"), self.called("o", "once"), self.called("d", "once")),
            self.done("w", self.write[1].execution),
            self.done("o", self.once[0].execution),
            {"type": "tool.completed", "tool_call_id": "d", "state": "in_doubt"},
            {"type": "run.completed"},
        ]
        for n, event in enumerate(self.journal, start=1):
            event["id"] = 10_000_000 + 10 * n
        self.seen: list[tuple[int, str]] = [(e["id"], e["type"]) for e in self.journal]
        self.seen.insert(1, (10_000_015, "message.delta"))
        self.refused: str | None = None

    def called(self, label: str, effect: Effect) -> dict[str, Any]:
        arguments = {"label": label, "hold_ms": 1}
        name = f"selftest_{effect}"
        return {
            "type": "tool.called",
            "tool_call_id": label,
            "name": name,
            "arguments": arguments,
        }

    def done(self, label: str, execution: UUID) -> dict[str, Any]:
        result = {"execution": str(execution)}
        return {
            "type": "tool.completed",
            "tool_call_id": label,
            "state": "done",
            "result": result,
        }

    def judged(self) -> SelftestReport:
        log = ReaderLog(seen=self.seen, reconnects=2, refused=self.refused)
        run = RunRecord(run_id=self.run_id, journal=self.journal, readers=[log])
        evidence = Evidence(
            runs=[run],
            kills=self.kills,
            ledger=[*self.write, *self.once, *self.doubtful],
            told=self.told,
            takeovers_s=[1.0, 3.0, 1.5],
        )
        return report(evidence, SelftestOptions(seed=1, kills=1), ["engines"], began=0)


def test_a_clean_drill_holds_and_is_counted() -> None:
    found = Drill().judged()

    assert found.faults() == []
    assert (found.runs.accepted, found.runs.completed, found.runs.lost) == (1, 1, 0)
    assert (found.kills.done, found.kills.in_a_call, found.kills.calls) == (1, 1, 2)
    assert (found.calls.asked, found.calls.recorded, found.calls.executions) == (3, 2, 4)
    assert (found.once.executed_once, found.once.in_doubt, found.once.told) == (1, 1, 1)
    assert found.repeats.same_key == 1
    assert found.events.reconnects == 2
    assert (found.takeovers.median_s, found.takeovers.worst_s) == (1.5, 3.0)


def once_twice(drill: Drill) -> None:
    drill.doubtful.append(msgspec.structs.replace(drill.doubtful[0], execution=new_id()))


def again_after_its_result(drill: Drill) -> None:
    drill.write.append(entry("w", "write"))


def under_another_key(drill: Drill) -> None:
    drill.write.insert(0, entry("w", "write", key="another"))


def result_of_nothing(drill: Drill) -> None:
    drill.once.clear()


def call_without_outcome(drill: Drill) -> None:
    drill.journal = [event for event in drill.journal if event.get("state") != "in_doubt"]


def model_was_not_told(drill: Drill) -> None:
    drill.told.clear()


def run_that_never_ended(drill: Drill) -> None:
    drill.journal = []


def run_that_failed(drill: Drill) -> None:
    drill.journal[-1]["type"] = "run.failed"


def run_that_was_not_accepted(drill: Drill) -> None:
    drill.run_id, drill.journal = None, []


def hole_in_a_log(drill: Drill) -> None:
    del drill.seen[3]


def event_that_the_journal_lacks(drill: Drill) -> None:
    drill.seen.append((OTHER, "tool.completed"))


def event_twice(drill: Drill) -> None:
    drill.seen.insert(3, drill.seen[2])


def delta_twice(drill: Drill) -> None:
    drill.seen.insert(2, drill.seen[1])


def events_turned_round(drill: Drill) -> None:
    drill.seen[2], drill.seen[3] = drill.seen[3], drill.seen[2]


def reader_sent_away(drill: Drill) -> None:
    drill.refused = "400 cursor_invalid"


def kill_that_met_nothing(drill: Drill) -> None:
    drill.kills = [Kill(server="gateway 1", caught=[])]


def kill_that_was_not(drill: Drill) -> None:
    drill.kills = []


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (once_twice, "`once` calls that ran more than once: 1"),
        (again_after_its_result, "executions begun after the result was recorded: 1"),
        (under_another_key, "executions repeated under another key: 2"),
        (result_of_nothing, "recorded results that come from no execution: 1"),
        (call_without_outcome, "tool calls without an outcome: 1"),
        (model_was_not_told, "calls in doubt that the model was not told of: 1"),
        (run_that_never_ended, "accepted runs that never ended: 1"),
        (run_that_failed, "runs that failed: 1"),
        (run_that_was_not_accepted, "runs that were not accepted: 1"),
        (hole_in_a_log, "events missed: 1"),
        (event_that_the_journal_lacks, "events missed: 1"),
        (event_twice, "events repeated: 1"),
        (delta_twice, "events repeated: 1"),
        (events_turned_round, "events out of order: 1"),
        (reader_sent_away, "readers refused: 1"),
        (kill_that_met_nothing, "no kill hit a tool call, so nothing was proven"),
        (kill_that_was_not, "kills that found no tool call in time: 1"),
    ],
)
def test_each_broken_promise_alone_fails_it(breaks: Callable[[Drill], None], said: str) -> None:
    drill = Drill()

    breaks(drill)

    found = drill.judged()
    assert not found.held
    assert said in found.faults()
