"""What holds of every run once everything has come to rest, whatever went wrong before."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID

from polyagent.domain.chat import Message
from polyagent.domain.event import (
    EPOCH,
    Event,
    MessageCompleted,
    MessageDelta,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunResumed,
    RunStarted,
    ToolCalled,
    ToolCompleted,
)
from polyagent.domain.run import Run
from tests.script import Execution, Ledger, key_of

ENDS = {"completed": RunCompleted, "failed": RunFailed, "cancelled": RunCancelled}


def check_end(run: Run, events: Sequence[Event]) -> None:
    """It ended exactly once, and says so last."""
    assert run.status in ENDS, f"the run never ended: {run}"
    assert [type(e.body) for e in events if e.body.final] == [ENDS[run.status]]
    assert events[-1].body.final


def check_numbers(events: Sequence[Event]) -> None:
    """Ids grow; each epoch begins at its first number with the claim that made it."""
    ids = [event.id for event in events]
    assert ids == sorted(set(ids)), ids
    firsts = {epoch: next(of) for epoch, of in groupby(events, lambda e: e.id // EPOCH)}
    assert all(event.id % EPOCH == 1 for event in firsts.values()), ids
    for epoch, event in firsts.items():
        begins = RunQueued if epoch == 0 else (RunStarted, RunResumed, RunFailed)
        assert isinstance(event.body, begins), event
    assert list(firsts) == [*range(min(firsts), max(firsts) + 1)]
    assert min(firsts) <= 1


def check_calls(run: Run, events: Sequence[Event], ledger: Ledger) -> None:
    """Each call has one outcome; what was recorded is not done again, and `once` at most once."""
    executed: defaultdict[str, list[Execution]] = defaultdict(list)
    for execution in ledger:
        executed[execution.key].append(execution)
    outcomes = {e.body.tool_call_id: e for e in events if isinstance(e.body, ToolCompleted)}
    told = Counter(e.body.tool_call_id for e in events if isinstance(e.body, ToolCompleted))
    keys = _keys(run.id, events)
    assert set(told.values()) <= {1}
    assert set(told) <= set(keys)
    if run.status == "completed":
        assert set(told) == set(keys), "a call was never answered"
    for call_id, key in keys.items():
        _check_executions(outcomes.get(call_id), executed[key])


def _keys(run_id: UUID, events: Iterable[Event]) -> dict[str, str]:
    keys: dict[str, str] = {}
    called = (event.body for event in events if isinstance(event.body, ToolCalled))
    for step, calls in groupby(called, lambda body: body.step):
        for position, call in enumerate(calls):
            keys[call.tool_call_id] = key_of(run_id, step, position)
    return keys


def _check_executions(outcome: Event | None, executions: Sequence[Execution]) -> None:
    if any(execution.effect == "once" for execution in executions):
        assert len(executions) == 1, f"a once call was made again: {executions}"
    if outcome is None:
        return
    assert isinstance(outcome.body, ToolCompleted)
    late = [execution for execution in executions if execution.at > outcome.at]
    assert not late, f"made again after its result was recorded at {outcome.at}: {late}"
    if outcome.body.state == "done":
        assert executions, f"a result of a call that was never made: {outcome}"


def check_session(messages: Sequence[Message], admitted: Sequence[UUID]) -> None:
    """Runs of a session do not overlap, and are answered in the order of their admission."""
    order = [run_id for run_id, _ in groupby(messages, lambda message: message.run_id)]
    assert order == [run_id for run_id in admitted if run_id in set(order)]
    for _, of_run in groupby(messages, lambda message: message.run_id):
        roles = [message.role for message in of_run]
        assert roles == ["user", *["assistant"] * (len(roles) - 1)]


def check_reader(seen: Sequence[Event], journal: Sequence[Event], after: int) -> None:
    """A reader saw each durable event behind its cursor once, in order, as it is in the journal."""
    ids = [event.id for event in seen]
    assert ids == sorted(set(ids)), f"out of order or twice: {ids}"
    durable = [event for event in seen if event.body.durable]
    expected = [event for event in journal if event.id > after]
    assert [(e.id, e.type) for e in durable] == [(e.id, e.type) for e in expected]
    assert [e.wire for e in durable] == [e.wire for e in expected]
    _check_deltas(seen)


def _check_deltas(seen: Sequence[Event]) -> None:
    """What was not voided spells the message of its step, or lacks a part."""
    said: defaultdict[int, str] = defaultdict(str)
    for body in (event.body for event in seen):
        if isinstance(body, MessageDelta):
            said[body.step] += body.text
        elif isinstance(body, RunResumed) and body.discard_step is not None:
            said.pop(body.discard_step, None)
        elif isinstance(body, MessageCompleted):
            assert _is_part(said.pop(body.step, ""), body.message.content), body


def _is_part(said: str, whole: str) -> bool:
    words = iter(whole.split())
    return all(word in words for word in said.split())
