"""Tasks: what is done later, in its turn, as often as it takes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from polyagent.domain.account import Actor
from polyagent.domain.agent import Metadata, Name
from polyagent.domain.chat import EndUser
from polyagent.domain.instant import Instant, in_utc

TaskStatus = Literal["scheduled", "queued", "running", "retrying", "succeeded", "dead", "cancelled"]
EndStatus = Literal["succeeded", "queued", "dead", "cancelled"]
LIVE: frozenset[str] = frozenset({"scheduled", "queued", "running", "retrying"})

Priority = Annotated[int, msgspec.Meta(ge=0, le=9)]
DelayS = Annotated[float, msgspec.Meta(ge=0, le=315_360_000)]
TimeoutS = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Attempts = Annotated[int, msgspec.Meta(ge=1, le=100)]

PAGE_BYTES = 4 * 1024 * 1024
"""As many bytes of payloads and results fill a page of tasks."""
QUEUE_FULL = "You have as many tasks waiting as a user may: let some of them end first."
QUEUE_FULL_S = 5.0


class TaskAsk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done, whenever that is.

    What is None of `max_attempts` and `timeout_s` is as its kind says, or else the server.
    """

    kind: Name
    payload: dict[str, Any] = msgspec.field(default_factory=dict)
    priority: Priority = 5
    max_attempts: Attempts | None = None
    timeout_s: TimeoutS | None = None
    end_user: EndUser | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class NewTask(TaskAsk, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /tasks. Neither `run_at` nor `delay_s`: as soon as may be."""

    run_at: Instant | None = None
    delay_s: DelayS | None = None
    unique_key: Name | None = None

    def __post_init__(self) -> None:
        if self.run_at is not None and self.delay_s is not None:
            raise ValueError("say when by run_at or by delay_s, not by both")
        if self.run_at is not None:
            in_utc("run_at", self.run_at)

    def due_at(self, now: datetime) -> datetime:
        """Return when it may run first; what was in the past is now."""
        if self.run_at is not None:
            return max(now, in_utc("run_at", self.run_at))
        return now + timedelta(seconds=self.delay_s or 0)


class TaskError(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str
    retryable: bool = False


WORKER_LOST = TaskError(
    code="worker_lost", detail="The process that worked on it ended.", retryable=True
)
HANDED_BACK = TaskError(
    code="handed_back", detail="The process that worked on it had to stop.", retryable=True
)
POISONED = TaskError(
    code="task_poisoned",
    detail="The process that worked on it ended, as often as it may be tried.",
)
CANCELLED = TaskError(code="cancelled", detail="It was asked for.")
OWNER_GONE = TaskError(code="owner_gone", detail="Its owner is gone, or may not act any more.")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    started_at: datetime
    finished_at: datetime | None = None
    error: TaskError | None = None


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as clients see it. `next_attempt_at`: not before it, while it waits.

    `fire_at` is the instant of its schedule that it was made for; None: it was triggered by hand.
    `webhook_id`: it delivers something to that webhook.
    """

    id: UUID
    workspace_id: UUID
    user_id: UUID
    end_user: str | None = None
    kind: str
    status: TaskStatus
    priority: int
    payload: dict[str, Any]
    unique_key: str | None = None
    schedule_id: UUID | None = None
    fire_at: datetime | None = None
    max_attempts: int
    timeout_s: float
    progress: Any = None
    result: Any = None
    error: TaskError | None = None
    attempts: Sequence[Attempt] = ()
    next_attempt_at: datetime | None = None
    webhook_id: UUID | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


class TaskToQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it is enqueued, with everything decided. `due_at` None: at once.

    There is one task for a schedule and `fire_at`, an instant of it.
    `webhook_id` makes it a delivery to that webhook. `traceparent` is the trace of who asked for it.
    """

    id: UUID
    user_id: UUID
    kind: str
    payload: dict[str, Any]
    end_user: str | None = None
    priority: int = 5
    max_attempts: int = 3
    timeout_s: float = 600.0
    due_at: datetime | None = None
    unique_key: str | None = None
    schedule_id: UUID | None = None
    fire_at: datetime | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    traceparent: str | None = None
    webhook_id: UUID | None = None


class TaskWork(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt at a task. `attempt` grows with each, and fences off those before it.

    `spared` of them do not count: they were handed back. `actor` is whom it is done for, as of now, and
    never an administrator: a key that is none may have asked. None: nobody who may act. `cut_short`: an earlier attempt ended and nobody knows what came of it.
    `waited_s` is from when it could have run until it was claimed.
    """

    id: UUID
    kind: str
    payload: dict[str, Any]
    attempt: int
    spared: int = 0
    max_attempts: int
    timeout_s: float
    workspace_id: UUID
    user_id: UUID
    end_user: str | None = None
    actor: Actor | None = None
    cut_short: bool = False
    traceparent: str | None = None
    webhook_id: UUID | None = None
    waited_s: float = 0.0

    @property
    def tries(self) -> int:
        """How many attempts count, with this one."""
        return self.attempt - self.spared

    @property
    def is_last(self) -> bool:
        return self.tries >= self.max_attempts

    def succeeded(self, result: Any) -> "Ended":
        return Ended(id=self.id, attempt=self.attempt, status="succeeded", result=result)

    def failed(self, error: TaskError, *, delay_s: float, cut_short: bool = False) -> "Ended":
        """Return what follows: another attempt after the delay, or the end."""
        dies = self.is_last or not error.retryable
        return Ended(
            id=self.id,
            attempt=self.attempt,
            status="dead" if dies else "queued",
            error=error,
            delay_s=delay_s,
            cut_short=cut_short,
        )

    def cancelled(self) -> "Ended":
        return Ended(id=self.id, attempt=self.attempt, status="cancelled", error=CANCELLED)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, and what the task is from then on. `spared`: it does not count."""

    id: UUID
    attempt: int
    status: EndStatus
    result: Any = None
    error: TaskError | None = None
    delay_s: float = 0.0
    spared: bool = False
    cut_short: bool = False


def handed_back(task_id: UUID, attempt: int, *, cut_short: bool) -> Ended:
    """Return the end of an attempt that others begin anew at once."""
    return Ended(
        id=task_id,
        attempt=attempt,
        status="queued",
        error=HANDED_BACK,
        spared=True,
        cut_short=cut_short,
    )


class TaskStats(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks that were created in a span of time, and how long those that ended waited and ran."""

    kind: str
    status: TaskStatus
    count: int
    attempts: int
    mean_run_s: float | None = None


class TaskDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decides for tasks that do not say, how many of a user may wait, and schedules be."""

    max_attempts: int
    timeout_s: float
    queued_tasks: int
    schedules: int
