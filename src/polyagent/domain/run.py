"""Runs: one answer of an agent, durable from its first instant."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from polyagent.domain.agent import InDoubt, Limits, Metadata, ModelSettings
from polyagent.domain.chat import Message, Part
from polyagent.domain.documents.retrieval import Passage
from polyagent.domain.event import (
    Event,
    EventBody,
    MessageCompleted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    UsageReported,
)
from polyagent.domain.model import PromptMessage, ToolChoice
from polyagent.domain.response_format import PlainText, ResponseFormat
from polyagent.domain.tool import Tool, ToolCall
from polyagent.domain.usage import Usage

RunStatus = Literal["queued", "running", "waiting", "completed", "failed", "cancelled"]
FINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled"})

MAX_STALLS = 3


class RunDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may use where its agent does not say less."""

    max_steps: int
    max_output_tokens: int
    timeout_s: float
    budget: float | None = None


class RunError(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str
    retryable: bool = False


POISONED = RunError(
    code="run_poisoned",
    detail="Three processes in a row ended while they worked on this run, before it made a step.",
)
UNREADABLE = RunError(
    code="run_unreadable",
    detail="This version of the server cannot read what the run goes on from.",
)
CANCELLED = RunError(code="cancelled", detail="It was asked for.")
QUEUE_FULL = "You have as many queued runs as a user may: wait until one of them begins."
QUEUE_FULL_S = 5.0


class Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that executing a run needs, fixed when it is admitted: a later change of its agent is none of its business.

    `tools_named` is true where somebody chose the tools, so that an answer without them must say so.
    `given` is the whole conversation where the client brings it along: what the model is told between the
    instructions and the run's own steps, whose first, the user's message, it holds too. `client_tools`
    are called by the client, in its next request. `passages` were found for the question, in the documents
    that `document_ids` and `collection` narrow it to. All three are gone once the run has ended.
    `traceparent` is the trace of the request that the run came with.
    """

    parts: tuple[Part, ...]
    instructions: str | None = None
    model: str | None = None
    settings: ModelSettings = ModelSettings()
    tools: tuple[str, ...] = ()
    tools_named: bool = False
    limits: Limits = Limits()
    in_doubt: InDoubt = "tell_model"
    response_format: ResponseFormat | None = None
    document_ids: tuple[UUID, ...] = ()
    collection: str | None = None
    passages: tuple[Passage, ...] = ()
    given: tuple[PromptMessage, ...] = ()
    client_tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    traceparent: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.response_format, PlainText):
            msgspec.structs.force_setattr(self, "response_format", None)

    def is_for_client(self, name: str) -> bool:
        """Say whether the client makes the calls of that name: all of them where there are no tools but its own."""
        named = any(tool.name == name for tool in self.client_tools)
        return named or bool(self.client_tools and not self.tools)

    @property
    def has_documents(self) -> bool:
        """Say whether the answer is to come from documents."""
        return bool(self.document_ids) or self.collection is not None

    def with_files(self, document_ids: tuple[UUID, ...]) -> "Spec":
        """Return it with documents that its question brings along."""
        if self.collection is not None:
            return msgspec.structs.replace(self, document_ids=document_ids, collection=None)
        return msgspec.structs.replace(self, document_ids=(*self.document_ids, *document_ids))

    def with_passages(self, passages: Sequence[Passage]) -> "Spec":
        return msgspec.structs.replace(self, passages=tuple(passages))

    def when_over(self) -> "Spec":
        """Return what is kept of it once the run has ended."""
        return msgspec.structs.replace(self, given=(), client_tools=(), passages=())


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run to be admitted. `session_id` None: it has none; `new_session`: make that one with it.

    `message_id` is the id that the user's message will have.
    """

    id: UUID
    message_id: UUID
    session_id: UUID | None
    new_session: bool
    title: str | None
    agent_id: UUID
    agent_version: int
    spec: Spec
    priority: int = 5
    end_user: str | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)
    reject_if_busy: bool = False


class IdempotencyKey(msgspec.Struct, frozen=True, kw_only=True):
    """Kept 24 h per user, end user and route. `body_hash` is SHA-256 over what was asked."""

    key: str
    route: str
    body_hash: bytes
    end_user: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run as clients see it. `position` of a queued one: 1 + those queued before it in its session."""

    id: UUID
    session_id: UUID | None = None
    parent_id: UUID | None = None
    agent_id: UUID
    agent_version: int
    status: RunStatus
    priority: int = 5
    attempt: int = 1
    step: int = 0
    position: int | None = None
    message_id: UUID | None = None
    usage: Usage = Usage()
    error: RunError | None = None
    approvals: tuple[Any, ...] = ()
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class Tail(msgspec.Struct, frozen=True):
    """How far a run has come: its last journaled event, and whether it has ended."""

    last_seq: int
    is_final: bool


class Sighting(msgspec.Struct, frozen=True):
    """A run of a session that somebody watches."""

    session_id: UUID
    run_id: UUID
    is_final: bool


class Lease(msgspec.Struct, frozen=True):
    """The right to execute a run: `epoch` is the fencing token, raised by each claim."""

    run_id: UUID
    epoch: int
    worker_id: UUID


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed run with all that its executor goes on from.

    `begun` is the event that was journaled with the claim (`run.started` or `run.resumed`), the first
    of this epoch. `history` is the session before this run, oldest first; `steps` are this run's own
    messages so far, its user message first, each assistant message with its calls as they stand in
    the journal. What the newest `summary` stands for is in neither of them, but for the user message.
    """

    lease: Lease
    run: Run
    workspace_id: UUID
    user_id: UUID
    spec: Spec
    begun: Event
    history: tuple[Message, ...]
    steps: tuple[Message, ...]
    summary: Message | None = None
    cancel_asked: bool = False


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an ask: `work` if this process executes it from now on.

    `replayed` says that the run was there before, under the same idempotency key.
    """

    run: Run
    work: Work | None = None
    replayed: bool = False


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one step leaves behind, written in one statement.

    `step` is the number of steps that will then be done; `calls` are recorded `pending`;
    `usage` is the run's total. A `status` that is final gives the run up. `retried` adds an attempt.
    `summary` stands for the session, or the run that has none, up to the message `covers`.
    """

    step: int
    status: RunStatus
    usage: Usage
    message: Message | None = None
    calls: tuple[ToolCall, ...] = ()
    events: tuple[Event, ...] = ()
    error: RunError | None = None
    retried: bool = False
    summary: Message | None = None
    covers: UUID | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What Postgres says to a heartbeat: the epochs of the runs that are mine, and those to be cancelled.

    Of the tasks that are mine, the attempts.
    """

    owned: dict[UUID, int]
    cancelled: frozenset[UUID]
    tasks: dict[UUID, int] = msgspec.field(default_factory=dict)
    cancelled_tasks: frozenset[UUID] = frozenset()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What POST /chat answers: the run's state, and its last message if it has one.

    Read off the run's events, so that it needs nothing from the store.
    """

    run_id: UUID
    session_id: UUID | None
    status: RunStatus
    message: Message | None = None
    usage: Usage = Usage()
    error: RunError | None = None
    approvals: tuple[Any, ...] = ()

    @classmethod
    def begin(cls, run: Run) -> "Answer":
        return cls(run_id=run.id, session_id=run.session_id, status=run.status)

    def after(self, body: EventBody) -> "Answer":
        """Return the answer as it is once `body` happened."""
        match body:
            case RunStarted() | RunResumed():
                return msgspec.structs.replace(self, status="running")
            case MessageCompleted(message=message):
                return msgspec.structs.replace(self, message=message)
            case RunCompleted(usage=usage):
                return msgspec.structs.replace(self, status="completed", usage=usage)
            case RunFailed(code=code, detail=detail, retryable=retryable):
                error = RunError(code=code, detail=detail, retryable=retryable)
                return msgspec.structs.replace(self, status="failed", error=error)
            case RunCancelled(reason=reason):
                error = RunError(code="cancelled", detail=reason)
                return msgspec.structs.replace(self, status="cancelled", error=error)
            case UsageReported(usage=usage):
                return msgspec.structs.replace(self, usage=self.usage + usage)
            case _:
                return self
