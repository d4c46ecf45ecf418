"""The history checker: what clients sent, were told and saw, against the database at rest and the ledger.

Each check yields a sentence for everything that should not be. `polyagent` promises are in its
documents: accepted runs end once, recorded calls are not repeated, readers of a run see the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from polyagent.domain.event import EPOCH
from tests.chaos.ledger import Line
from tests.chaos.records import Answered, Broken, History, Reader
from tests.chaos.rest import CallRow, EventRow, Rest, RunRow

FINAL = {"completed": "run.completed", "failed": "run.failed", "cancelled": "run.cancelled"}
ENVELOPE = ("id", "run_id", "session_id", "path", "at", "type")
SLACK_S = 2.0
NORMAL_S = 30.0
CUTTING = ("kill", "stop", "drain")


def complaints(history: History, ledger: Sequence[Line], rest: Rest) -> list[str]:
    """Return everything that broke a promise, in no order of importance."""
    return [
        *lost_or_ended_twice(history, rest),
        *asked_more_than_once(history, rest),
        *executed_too_often(ledger, rest),
        *misread(history, rest),
        *out_of_turn(history, rest),
        *answered_wrongly(history.answers),
        *broken_without_cause(history),
        *left_behind(history, rest),
    ]


def lost_or_ended_twice(history: History, rest: Rest) -> Iterator[str]:
    for sent in history.sent:
        for run_id in sent.run_ids - rest.runs.keys():
            yield f"{sent.ask.mark}: its acknowledged run {run_id} is gone"
        if not sent.run_ids:
            yield f"{sent.ask.mark}: never acknowledged"
    for run_id, run in rest.runs.items():
        ends = [event.type for event in rest.events[run_id] if event.type in FINAL.values()]
        if run.status not in FINAL:
            yield f"run {run_id} is still {run.status}"
        elif ends != [FINAL[run.status]] or rest.events[run_id][-1].type != ends[0]:
            yield f"run {run_id} is {run.status}, but its ends are {ends}"


def asked_more_than_once(history: History, rest: Rest) -> Iterator[str]:
    """One ask is one run of the user who asked, however often it was sent."""
    runs = defaultdict(list)
    for run in rest.runs.values():
        runs[run.message].append(run)
    for sent in history.sent:
        mine = runs.pop(sent.ask.message, [])
        if len(mine) != 1 or len(sent.run_ids) > 1:
            told = sorted(sent.run_ids)
            yield f"{sent.ask.mark} is {len(mine)} runs, and its clients were told of {told}"
        for run in mine:
            if str(run.user_id) != sent.user_id:
                yield f"{sent.ask.mark} became a run of somebody else"
            if str(run.session_id) != sent.session_id:
                yield f"{sent.ask.mark} is not in its session"
    for message in runs:
        yield f"nobody asked {message!r}"


def executed_too_often(ledger: Sequence[Line], rest: Rest) -> Iterator[str]:
    executions = begun_by_key(ledger)
    ended = {(line.key, line.attempt) for line in ledger if line.mark == "ended"}
    calls = {call.key: call for call in rest.calls}
    for key in executions.keys() - calls.keys():
        yield f"{key} was executed, and no call has this key"
    for key, call in calls.items():
        lines = executions.get(key, [])
        yield from _executed_too_often(call, lines)
        if call.state == "done" and (key, call.result["attempt"]) not in ended:
            yield f"{key} is done, but attempt {call.result['attempt']} never ended"
    for label, keys in keys_by_label(ledger).items():
        if len(keys) > 1:
            yield f"the call {label} was executed under {sorted(keys)}"


def _executed_too_often(call: CallRow, lines: Sequence[Line]) -> Iterator[str]:
    attempts = [line.attempt for line in lines]
    if call.effect == "once" and len(lines) > 1:
        yield f"once call {call.key} was executed {len(lines)} times"
    if len(set(attempts)) < len(attempts):
        yield f"{call.key}: an attempt was executed twice: {attempts}"
    if attempts and max(attempts) > call.attempts:
        yield f"{call.key}: executed as attempt {max(attempts)} of {call.attempts}"
    for line in after_its_record(call, lines):
        yield f"{call.key} was recorded, and then attempt {line.attempt} of it began"


def after_its_record(call: CallRow, lines: Sequence[Line]) -> list[Line]:
    """Return executions that began when the result was there already."""
    if call.state not in ("done", "failed") or call.finished_at is None:
        return []
    at_s = call.finished_at.timestamp()
    recorded = call.result["attempt"] if call.state == "done" else 0
    return [line for line in lines if line.at_s > at_s or line.attempt > recorded > 0]


def begun_by_key(ledger: Sequence[Line]) -> dict[str, list[Line]]:
    executions: dict[str, list[Line]] = defaultdict(list)
    for line in ledger:
        if line.mark == "begun":
            executions[line.key].append(line)
    return executions


def keys_by_label(ledger: Sequence[Line]) -> dict[str, set[str]]:
    keys: dict[str, set[str]] = defaultdict(set)
    for line in ledger:
        keys[line.label].add(line.key)
    return keys


def misread(history: History, rest: Rest) -> Iterator[str]:
    for reader in history.readers:
        name = f"{reader.name} of {reader.run_id}"
        if not reader.finished and not reader.left:
            yield f"{name} never came to the end, only to {reader.last_id}"
        if reader.run_id in rest.events:
            for fault in _misread(reader, rest.events[reader.run_id]):
                yield f"{name}, from {reader.after}: {fault}"


def _misread(reader: Reader, written: Sequence[EventRow]) -> Iterator[str]:
    ids = [event["id"] for event in reader.events]
    for one, next_one in pairwise([reader.after, *ids]):
        if next_one <= one:
            yield f"{next_one} came after {one}"
    expected = [event for event in written if event.id > reader.after]
    durable = [event for event in reader.events if is_durable(event)]
    if not reader.finished:
        expected = expected[: len(durable)]
    if [event["id"] for event in durable] != [event.id for event in expected]:
        yield from _difference(durable, expected)
        return
    for seen, row in zip(durable, expected, strict=True):
        if seen["type"] != row.type or _body(seen) != row.data:
            yield f"event {row.id} reads {_body(seen)}, and is {row.data}"
    yield from _misspelt(reader)


def _difference(seen: Sequence[dict[str, Any]], expected: Sequence[EventRow]) -> Iterator[str]:
    ids, wanted = [event["id"] for event in seen], [event.id for event in expected]
    yield f"missed {sorted({*wanted} - {*ids})}, repeated or invented {[*(Counter(ids) - Counter(wanted))]}"


def _misspelt(reader: Reader) -> Iterator[str]:
    """Deltas that were not voided spell the message of their step, or lack a part of it.

    They lack none if no id is missing since the event that was journaled before them.
    """
    pieces: list[str] = []
    last = reader.after
    epoch = last // EPOCH
    whole = False
    for event in reader.events:
        if event["type"] in ("run.started", "run.resumed"):
            epoch, pieces, whole = event["id"] // EPOCH, [], True
        elif not is_durable(event):
            whole = whole and event["id"] == last + 1
            if event["id"] // EPOCH != epoch:
                yield f"delta {event['id']} of another epoch came unannounced"
            if event["type"] == "message.delta":
                pieces.append(event["text"])
        elif event["type"] == "message.completed":
            yield from _unlike(event, pieces, whole=whole and event["id"] == last + 1)
            pieces, whole = [], True
        last = event["id"]


def _unlike(completed: dict[str, Any], pieces: Sequence[str], *, whole: bool) -> Iterator[str]:
    content = completed["message"]["content"]
    if whole and "".join(pieces) != content:
        yield f"{completed['id']}: {''.join(pieces)!r} is not {content!r}"
    at = 0
    for piece in pieces:
        at = content.find(piece, at)
        if at < 0:
            yield f"{completed['id']}: the delta {piece!r} is not in {content!r}, or not there"
            return
        at += len(piece)


def is_durable(event: dict[str, Any]) -> bool:
    return not event["type"].endswith(".delta") and event["type"] != "tool.progress"


def _body(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ENVELOPE}


def out_of_turn(history: History, rest: Rest) -> Iterator[str]:
    """Runs of a session go in the order in which they came, one at a time."""
    sessions: dict[str, list[RunRow]] = defaultdict(list)
    for run in rest.runs.values():
        if run.started_at is not None:
            sessions[str(run.session_id)].append(run)
    for runs in sessions.values():
        for one, next_one in pairwise(runs):
            if one.finished_at is None or _later(one.finished_at, next_one.started_at):
                yield f"runs {one.id} and {next_one.id} of one session overlap, or went in wrong order"
    yield from _overtaken(history, rest)


def _overtaken(history: History, rest: Rest) -> Iterator[str]:
    asked: dict[str | None, list[tuple[float, float, int]]] = defaultdict(list)
    for sent in history.sent:
        if sent.acknowledged_s and (run := rest.runs.get(next(iter(sent.run_ids)))):
            asked[sent.session_id].append((sent.first_sent_s, sent.acknowledged_s, run.seq))
    for asks in asked.values():
        for (_, told_s, seq), (sent_s, _, later_seq) in pairwise(sorted(asks)):
            if told_s < sent_s and seq > later_seq:
                yield f"an ask that came later entered the session before run {seq}"


def _later(one: datetime, other: datetime | None) -> bool:
    return other is not None and one > other


def answered_wrongly(answers: Sequence[Answered]) -> Iterator[str]:
    """2xx; 409 to a cancel that came too late; 429 and 503 that say when to come again."""
    for answer in answers:
        is_good = 200 <= answer.status < 300
        is_late = answer.code == "run_finished" and answer.what.endswith("/cancel")
        is_trouble = answer.status in (429, 503) and answer.retry_after is not None
        if not (is_good or is_late or is_trouble):
            yield f"{answer.gateway} answered {answer.status} {answer.code} to {answer.what}"


def broken_without_cause(history: History) -> Iterator[str]:
    """Connections break only where and while a fault lasts; a drain ends streams with a hint."""
    for broken in history.broken:
        causes = {fault.kind for fault in history.faults if _may_break(fault, broken)}
        if broken.how == "cut":
            causes.discard("drain")
        if not causes:
            yield f"{broken.gateway} {broken.how} a connection for no reason: {broken.error}"


def _may_break(fault: Any, broken: Broken) -> bool:
    is_there = fault.target == broken.gateway and fault.kind in CUTTING
    return is_there and fault.began_s - SLACK_S <= broken.at_s <= fault.ended_s + SLACK_S


def left_behind(history: History, rest: Rest) -> Iterator[str]:
    yield from history.stuck
    for call in rest.calls:
        if call.state in ("pending", "started"):
            yield f"call {call.key} is still {call.state}"
    if history.recovered_s is None or history.recovered_s > NORMAL_S:
        yield f"normal again after {history.recovered_s} s"
