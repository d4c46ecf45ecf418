"""What happens in a run, as its readers are told.

An event is named by one integer, `seq = epoch * 10_000_000 + n` with n from 1: it grows within a run
and is gap-free within an epoch. Deltas and progress live in memory only; everything else is journaled.
"""

from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from polyagent.domain.chat import Message
from polyagent.domain.usage import Usage

EPOCH = 10_000_000
MAX_BYTES = 1024 * 1024 - 1024  # of an event as JSON; the rest is for the frame around it


class Body(msgspec.Struct, frozen=True, tag_field="type"):
    """What one type of event says beside its envelope."""

    durable: ClassVar[bool] = True
    final: ClassVar[bool] = False


class RunQueued(Body, frozen=True, tag="run.queued"):
    position: int


class RunStarted(Body, frozen=True, tag="run.started"):
    agent_id: UUID
    agent_version: int
    attempt: int


class RunResumed(Body, frozen=True, tag="run.resumed", omit_defaults=True):
    """Text deltas of `discard_step` are void."""

    attempt: int
    reason: Literal["takeover", "retry", "decision", "handover"]
    discard_step: int | None = None


class MessageDelta(Body, frozen=True, tag="message.delta"):
    durable = False
    step: int
    part: int
    text: str


class ReasoningDelta(Body, frozen=True, tag="reasoning.delta"):
    durable = False
    step: int
    text: str


class ToolArgumentsDelta(Body, frozen=True, tag="tool.arguments.delta", omit_defaults=True):
    durable = False
    step: int
    tool_call_id: str
    text: str
    name: str | None = None


class MessageCompleted(Body, frozen=True, tag="message.completed"):
    """The durable text of a step: it replaces its deltas. `finish_reason` is the model service's word."""

    step: int
    message: Message
    finish_reason: str | None = None


class ContextCompacted(Body, frozen=True, tag="context.compacted"):
    messages: int
    summary_message_id: UUID


class ToolCalled(Body, frozen=True, tag="tool.called"):
    step: int
    tool_call_id: str
    name: str
    arguments: dict[str, Any] | str


class ToolProgress(Body, frozen=True, tag="tool.progress"):
    durable = False
    tool_call_id: str
    text: str


class ToolCompleted(Body, frozen=True, tag="tool.completed", omit_defaults=True):
    tool_call_id: str
    state: Literal["done", "failed", "denied", "in_doubt", "cancelled"]
    result: Any = None
    error: str | None = None


class UsageReported(Body, frozen=True, tag="usage"):
    step: int
    model: str
    usage: Usage


class RunCompleted(Body, frozen=True, tag="run.completed"):
    final = True
    message_id: UUID | None
    usage: Usage


class RunFailed(Body, frozen=True, tag="run.failed"):
    final = True
    code: str
    detail: str
    retryable: bool = False


class RunCancelled(Body, frozen=True, tag="run.cancelled"):
    final = True
    reason: str


EventBody = (
    RunQueued
    | RunStarted
    | RunResumed
    | MessageDelta
    | ReasoningDelta
    | ToolArgumentsDelta
    | MessageCompleted
    | ContextCompacted
    | ToolCalled
    | ToolProgress
    | ToolCompleted
    | UsageReported
    | RunCompleted
    | RunFailed
    | RunCancelled
)


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One event in its place. `path` names the child runs in which it happened, outermost first."""

    id: int
    run_id: UUID
    session_id: UUID | None = None
    path: tuple[UUID, ...] = ()
    at: datetime
    body: EventBody

    @property
    def type(self) -> str:
        return str(self.body.__struct_config__.tag)

    @cached_property
    def wire(self) -> bytes:
        """The JSON object that clients see, envelope and body in one: a line, encoded once."""
        envelope = _ENCODE(
            {
                "id": self.id,
                "run_id": self.run_id,
                "session_id": self.session_id,
                "path": self.path,
                "at": self.at,
            }
        )
        return fitting(envelope[:-1] + b"," + _ENCODE(self.body)[1:])


class _Envelope(msgspec.Struct):
    id: int
    run_id: UUID
    at: datetime
    session_id: UUID | None = None
    path: tuple[UUID, ...] = ()


_ENCODE = msgspec.json.Encoder().encode
_envelope_of = msgspec.json.Decoder(_Envelope).decode
_body_of = msgspec.json.Decoder(EventBody).decode


def event_of(wire: bytes) -> Event:
    """Return the event that `Event.wire` is of. Raises `msgspec.DecodeError`: it is none that we know."""
    envelope = _envelope_of(wire)
    event = Event(
        id=envelope.id,
        run_id=envelope.run_id,
        session_id=envelope.session_id,
        path=envelope.path,
        at=envelope.at,
        body=_body_of(wire),
    )
    event.__dict__["wire"] = wire
    return event


def fitting(wire: bytes) -> bytes:
    """Return an event that is no larger than `MAX_BYTES`: its longest texts are cut, and it says so.

    Arguments and results that are too long without holding a long text are cut as their JSON.
    """
    if len(wire) <= MAX_BYTES:
        return wire
    event = msgspec.json.decode(wire) | {"truncated": True}
    most = MAX_BYTES
    while len(wire) > MAX_BYTES:
        most = most * 3 // 4
        wire = _ENCODE(_cut(event, most))
    return wire


def _cut(value: Any, most: int) -> Any:
    """Return a JSON value whose texts and lists have at most so many characters and items."""
    match value:
        case str():
            return value[:most]
        case list():
            return [_cut(item, most) for item in value[:most]]
        case dict():
            return {name: _cut_field(name, item, most) for name, item in value.items()}
    return value


def _cut_field(name: str, value: Any, most: int) -> Any:
    if name not in ("arguments", "result") or isinstance(value, str):
        return _cut(value, most)
    if len(_ENCODE(value)) <= most:
        return value
    cut = _cut(value, most)
    text = _ENCODE(cut)
    return cut if len(text) <= most else text.decode()[:most]
