"""What a drill saw, told by those who saw it. Instants are wall time of this machine, in seconds."""

from typing import Any, Literal

import msgspec

from tests.chaos.ledger import Line
from tests.chaos.plan import Ask, FaultKind


class Sent(msgspec.Struct, kw_only=True):
    """An ask, and the runs that answers to it named: one, however often it was sent."""

    ask: Ask
    user_id: str
    asked_session_id: str | None
    session_id: str | None
    first_sent_s: float
    acknowledged_s: float | None = None
    run_ids: set[str] = msgspec.field(default_factory=set)


class Reader(msgspec.Struct, kw_only=True):
    """One reader of one run from behind `after`, over all its connections; its events as they came.

    `left` of its own will before the end.
    """

    name: str
    run_id: str
    after: int = 0
    deltas: bool = True
    events: list[dict[str, Any]] = msgspec.field(default_factory=list)
    connections: int = 0
    finished: bool = False
    left: bool = False

    @property
    def last_id(self) -> int:
        return int(self.events[-1]["id"]) if self.events else self.after


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    at_s: float
    gateway: str
    what: str
    status: int
    code: str | None
    retry_after: str | None


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that ended too early: `cut` within a stream, `lost` before an answer.

    `hinted` is a stream that ended by `retry:`.
    """

    at_s: float
    gateway: str
    how: Literal["cut", "lost", "hinted"]
    error: str


class Injected(msgspec.Struct, kw_only=True):
    """A fault, from just before it to when its target worked again. `calls` are those that it cut off."""

    kind: FaultKind
    target: str
    began_s: float
    ended_s: float = float("inf")
    struck_s: float = 0.0
    drained_s: float | None = None
    calls: list[Line] = msgspec.field(default_factory=list)


class History(msgspec.Struct, kw_only=True):
    sent: list[Sent] = msgspec.field(default_factory=list)
    readers: list[Reader] = msgspec.field(default_factory=list)
    answers: list[Answered] = msgspec.field(default_factory=list)
    broken: list[Broken] = msgspec.field(default_factory=list)
    faults: list[Injected] = msgspec.field(default_factory=list)
    recovered_s: float | None = None
    stuck: list[str] = msgspec.field(default_factory=list)

    def __add__(self, other: "History") -> "History":
        return History(
            sent=self.sent + other.sent,
            readers=self.readers + other.readers,
            answers=self.answers + other.answers,
            broken=self.broken + other.broken,
            faults=self.faults + other.faults,
            recovered_s=max(self.recovered_s or 0, other.recovered_s or 0),
            stuck=self.stuck + other.stuck,
        )
