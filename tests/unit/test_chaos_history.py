"""The history checker of tests/chaos finds what it is for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from polyagent.domain.event import EPOCH
from polyagent.domain.ids import new_id
from tests.chaos.history import complaints
from tests.chaos.ledger import Line
from tests.chaos.plan import Ask
from tests.chaos.records import Answered, Broken, History, Injected, Reader, Sent
from tests.chaos.rest import CallRow, EventRow, Rest, RunRow

AT = datetime(2026, 1, 1, tzinfo=UTC)
START_S = AT.timestamp()
RUN, NEXT_RUN, SESSION, USER = new_id(), new_id(), new_id(), new_id()
KEY = f"{RUN}/1/0"


class Drilled:
    """One run that a kill moved to a second process, and one that was queued behind it."""

    def __init__(self) -> None:
        self.runs = [_run(RUN, 1, AT), _run(NEXT_RUN, 2, AT + timedelta(seconds=20))]
        self.rows = [
            _row(EPOCH + 1, "run.started", attempt=1),
            _row(2 * EPOCH + 1, "run.resumed", attempt=2, reason="takeover", discard_step=1),
            _row(2 * EPOCH + 4, "message.completed", step=1, message={"content": "ab cd "}),
            _row(2 * EPOCH + 5, "run.completed"),
        ]
        self.call = CallRow(
            run_id=RUN, step=1, n=0, id="call_1", key=KEY, name="ledger_write", arguments={},
            effect="write", state="done", attempts=1, result={"label": "c0", "attempt": 1},
            started_at=AT, finished_at=AT + timedelta(seconds=2),
        )  # fmt: skip
        self.ledger = [_line("begun", 1), _line("ended", 2)]
        self.reader = Reader(name="asker", run_id=str(RUN), finished=True)
        self.reader.events = [
            _seen(self.rows[0]),
            _delta(EPOCH + 2, "ax "),
            _seen(self.rows[1]),
            _delta(2 * EPOCH + 2, "ab "),
            _delta(2 * EPOCH + 3, "cd "),
            _seen(self.rows[2]),
            _seen(self.rows[3]),
        ]
        self.history = History(recovered_s=1.0, readers=[self.reader])
        self.history.sent = [_sent("c0", RUN, 0), _sent("c1", NEXT_RUN, 1)]

    def complaints(self) -> list[str]:
        ends = [_row(EPOCH + 1, "run.started"), _row(EPOCH + 2, "run.completed")]
        rest = Rest(
            runs={str(run.id): run for run in self.runs},
            events={str(RUN): self.rows, str(NEXT_RUN): ends},
            calls=[self.call],
        )
        return complaints(self.history, self.ledger, rest)


def _run(run_id: Any, seq: int, started_at: datetime) -> RunRow:
    return RunRow(
        id=run_id, seq=seq, session_id=SESSION, user_id=USER, status="completed", epoch=2,
        attempt=2, error=None, started_at=started_at, created_at=started_at,
        finished_at=started_at + timedelta(seconds=10), message=f"c{seq - 1}",
    )  # fmt: skip


def _row(seq: int, kind: str, **data: Any) -> EventRow:
    return EventRow(run_id=RUN, id=seq, type=kind, data=data, at=AT)


def _seen(row: EventRow) -> dict[str, Any]:
    envelope = {"id": row.id, "run_id": str(RUN), "session_id": None, "path": [], "at": ""}
    return {**envelope, "type": row.type, **row.data}


def _delta(seq: int, text: str) -> dict[str, Any]:
    return {"id": seq, "type": "message.delta", "step": 1, "part": 0, "text": text}


def _sent(mark: str, run_id: Any, at_s: float) -> Sent:
    return Sent(
        ask=Ask(mark=mark, message=mark, how="stream"), user_id=str(USER), asked_session_id=None,
        session_id=str(SESSION), first_sent_s=at_s, acknowledged_s=at_s + 0.5,
        run_ids={str(run_id)},
    )  # fmt: skip


def _line(mark: Any, at_s: float, *, attempt: int = 1, key: str = KEY) -> Line:
    return Line(
        mark=mark, label="c0", run_id=str(RUN), key=key, attempt=attempt, effect="write", pid=1,
        at_s=START_S + at_s,
    )  # fmt: skip


def _answered(status: int, *, retry_after: str | None = None) -> Answered:
    return Answered(
        at_s=0, gateway="gateway-1", what="GET /", status=status, code=None, retry_after=retry_after
    )


def _broken(how: Any, at_s: float) -> Broken:
    return Broken(at_s=at_s, gateway="gateway-1", how=how, error="")


def _fault(kind: Any, target: str = "gateway-1") -> Injected:
    return Injected(kind=kind, target=target, began_s=10, ended_s=20)


def _replaced(drilled: Drilled, n: int, **fields: Any) -> None:
    drilled.runs[n] = msgspec.structs.replace(drilled.runs[n], **fields)


def _called(drilled: Drilled, **fields: Any) -> None:
    drilled.call = msgspec.structs.replace(drilled.call, **fields)


def _once(drilled: Drilled) -> None:
    _called(drilled, effect="once", attempts=2)
    drilled.ledger.insert(0, _line("begun", 0, attempt=2))


BROKEN: dict[str, tuple[Callable[[Drilled], object], str]] = {
    "a run that is gone": (lambda d: d.runs.pop(0), "is gone"),
    "a run that goes on": (lambda d: _replaced(d, 0, status="running"), "is still running"),
    "two ends": (lambda d: d.rows.insert(0, _row(1, "run.failed")), "its ends are"),
    "another end": (lambda d: _replaced(d, 0, status="failed"), "is failed, but"),
    "an ask that is two runs": (lambda d: _replaced(d, 1, message="c0"), "c0 is 2 runs"),
    "an answer with another run": (
        lambda d: d.history.sent[0].run_ids.add(str(NEXT_RUN)), "told of",
    ),
    "a run of somebody else": (lambda d: _replaced(d, 0, user_id=new_id()), "somebody else"),
    "a call that is begun after its record": (
        lambda d: d.ledger.append(_line("begun", 5, attempt=2)), "recorded, and then",
    ),
    "a second once": (_once, "once call"),
    "one attempt twice": (lambda d: d.ledger.append(_line("begun", 1)), "attempt was executed twice"),
    "another key": (lambda d: d.ledger.append(_line("begun", 1, key="x")), "executed under"),
    "a result of nothing": (lambda d: d.ledger.pop(), "never ended"),
    "an open call": (lambda d: _called(d, state="started"), "still started"),
    "a missed event": (lambda d: d.reader.events.pop(2), "missed"),
    "a repeated event": (lambda d: d.reader.events.insert(1, d.reader.events[0]), "repeated"),
    "events in another order": (lambda d: d.reader.events.reverse(), "came after"),
    "an event that reads otherwise": (
        lambda d: d.reader.events[2].update(attempt=3), "and is {'attempt': 2",
    ),
    "a missed delta in a whole stream": (
        lambda d: d.reader.events[4].update(text="x"), "is not in",
    ),
    "a delta twice": (lambda d: d.reader.events[4].update(text="ab "), "is not in"),
    "a lost delta that nothing shows": (lambda d: d.reader.events[4].update(text=""), "is not 'ab cd '"),
    "a delta of an epoch that nobody announced": (
        lambda d: d.reader.events[1].update(id=EPOCH * 2),
        "unannounced",
    ),
    "a reader that never ends": (lambda d: setattr(d.reader, "finished", False), "never came"),
    "runs that overlap": (lambda d: _replaced(d, 1, started_at=AT), "overlap"),
    "an ask that overtakes": (lambda d: _replaced(d, 0, seq=3), "came later"),
    "500": (lambda d: d.history.answers.append(_answered(500)), "answered 500"),
    "503 without Retry-After": (lambda d: d.history.answers.append(_answered(503)), "answered 503"),
    "a break without a fault": (lambda d: d.history.broken.append(_broken("lost", 15)), "no reason"),
    "no return to normal": (lambda d: setattr(d.history, "recovered_s", 99.0), "normal again"),
}  # fmt: skip


def test_a_good_history_has_no_complaints() -> None:
    drilled = Drilled()
    drilled.history.answers = [_answered(200), _answered(503, retry_after="1")]
    drilled.history.broken = [_broken("cut", 15), _broken("hinted", 15)]
    drilled.history.faults = [_fault("kill")]

    assert drilled.complaints() == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_found(name: str) -> None:
    breaks, complaint = BROKEN[name]
    drilled = Drilled()

    breaks(drilled)

    assert any(complaint in found for found in drilled.complaints()), drilled.complaints()


def test_a_delta_that_never_came_is_no_fault() -> None:
    drilled = Drilled()

    del drilled.reader.events[3]

    assert drilled.complaints() == []


@pytest.mark.parametrize(("how", "is_fine"), [("hinted", True), ("lost", True), ("cut", False)])
def test_a_drain_ends_streams_with_a_hint(how: str, is_fine: bool) -> None:
    drilled = Drilled()
    drilled.history.faults = [_fault("drain")]

    drilled.history.broken = [_broken(how, 15)]

    assert (drilled.complaints() == []) is is_fine


@pytest.mark.parametrize(
    "fault", [_fault("restart_postgres", "engines"), _fault("kill", "worker-1")]
)
def test_faults_elsewhere_break_no_connection(fault: Injected) -> None:
    drilled = Drilled()
    drilled.history.faults = [fault]

    drilled.history.broken = [_broken("cut", 15)]

    assert drilled.complaints() != []
