"""What the memory adapters of one process share: plain dicts in the place of tables.

Rows are frozen: to change one, put another in its place. Nothing here awaits, so that whatever an
adapter does between two awaits is atomic.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from uuid import UUID

import msgspec

from polyagent.adapters.memory.queue import MemoryQueue
from polyagent.adapters.memory.task_rows import TaskRow, places
from polyagent.domain.account import Account
from polyagent.domain.agent import Agent
from polyagent.domain.answer import KeptAnswer
from polyagent.domain.api_key import ApiKey
from polyagent.domain.audit import AuditEntry
from polyagent.domain.chat import Message, Session
from polyagent.domain.documents.document import Chunk, Document
from polyagent.domain.documents.embedding import Space, Vector
from polyagent.domain.event import Event
from polyagent.domain.queue import Entry, who
from polyagent.domain.run import Run, Spec
from polyagent.domain.schedule import Schedule
from polyagent.domain.token_family import TokenFamily
from polyagent.domain.tool import ToolCall
from polyagent.domain.usage import Usage
from polyagent.domain.webhook import Webhook


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """`seq` is the order of admission; `hidden`: its session was deleted."""

    seq: int
    run: Run
    spec: Spec
    workspace_id: UUID
    user_id: UUID
    end_user: str | None = None
    owner: UUID | None = None
    epoch: int = 0
    stalls: int = 0
    ready_at: datetime | None = None
    cancel_at: datetime | None = None
    hidden: bool = False


class MessageRow(msgspec.Struct, frozen=True, kw_only=True):
    """`seq` is the order in its session; `message` is kept without its calls.

    A summary stands for the messages up to the one of the number `covers`.
    """

    seq: int
    step: int
    message: Message
    covers: int | None = None


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    step: int
    call: ToolCall
    attempts: int = 0
    epoch: int | None = None


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    body_hash: bytes
    run_id: UUID
    expires_at: datetime


class FamilyRow(msgspec.Struct, frozen=True, kw_only=True):
    """`rotated_at` is when its newest token was made, in the place of `previous_hash`."""

    family: TokenFamily
    rotated_at: datetime
    previous_hash: bytes | None = None
    revoked_at: datetime | None = None


class ApiKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    key: ApiKey
    secret_hash: bytes
    workspace_id: UUID
    noted_at: datetime | None = None
    noted_client: str | None = None


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` and `previous_secret` are sealed."""

    webhook: Webhook
    workspace_id: UUID
    secret: bytes
    previous_secret: bytes | None = None
    previous_until: datetime | None = None


class DocumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """`chunks` are those in use, of the build `in_use`; `written` those of the build of that number and task.

    `vectors` are by space and chunk.
    """

    document: Document
    blob: str
    build: int = 0
    task_id: UUID | None = None
    chunks: tuple[Chunk, ...] = ()
    written: tuple[Chunk, ...] = ()
    in_use: int = 0
    vectors: Mapping[tuple[int, UUID], Vector] = {}


class SpaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """`seen_at` is by the clock's `monotonic`."""

    space: Space
    wanted: bool = False
    in_use: bool = False
    seen_at: float = 0.0


class EmbeddedRow(msgspec.Struct, frozen=True, kw_only=True):
    """How far an index is embedded; `claimed_until` is by the clock's `monotonic`."""

    finished: bool = False
    claimed_until: float


class AnswerRow(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` None: the holder is at work until `expires_at`."""

    body_hash: bytes
    holder: UUID
    answer: KeptAnswer | None = None
    created_at: datetime
    expires_at: datetime


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model: it stays when its run goes."""

    run_id: UUID
    at: datetime
    workspace_id: UUID
    user_id: UUID
    agent_id: UUID
    end_user: str | None
    model: str
    usage: Usage


KeyName = tuple[UUID, UUID, str, str, str]
"""Workspace, user, end user ("" for none), route, key."""


class State:
    """`messages`, `events` and `calls` are kept by run, in order; `workers` are lease ends, monotonic.

    `copies` are what forked sessions began with, each with its calls as they were then.
    """

    def __init__(self) -> None:
        self.next_seq = count(1).__next__
        self.accounts: dict[UUID, Account] = {}
        self.families: dict[UUID, FamilyRow] = {}
        self.identities: dict[tuple[UUID, str, str], UUID] = {}
        self.audit: dict[tuple[UUID, UUID], AuditEntry] = {}
        self.api_keys: dict[UUID, ApiKeyRow] = {}
        self.agents: dict[UUID, Agent] = {}
        self.versions: dict[UUID, tuple[Agent, ...]] = {}
        self.deleted_agents: set[UUID] = set()
        self.sessions: dict[UUID, Session] = {}
        self.deleted_sessions: set[UUID] = set()
        self.runs: dict[UUID, RunRow] = {}
        self.messages: defaultdict[UUID, list[MessageRow]] = defaultdict(list)
        self.copies: dict[UUID, list[MessageRow]] = {}
        self.events: defaultdict[UUID, list[Event]] = defaultdict(list)
        self.usage: list[UsageRow] = []
        self.calls: defaultdict[UUID, list[CallRow]] = defaultdict(list)
        self.keys: dict[KeyName, KeyRow] = {}
        self.answers: dict[KeyName, AnswerRow] = {}
        self.workers: dict[UUID, float] = {}
        self.queue = MemoryQueue()
        self.tasks: dict[UUID, TaskRow] = {}
        self.task_queue = MemoryQueue()
        self.schedules: dict[UUID, Schedule] = {}
        self.webhooks: dict[UUID, WebhookRow] = {}
        self.documents: dict[UUID, DocumentRow] = {}
        self.spaces: list[SpaceRow] = []
        self.embedded: dict[tuple[int, UUID, int], EmbeddedRow] = {}

    def entry(self, row: RunRow) -> Entry:
        """Return the place of a run in the queue; the end users of an application take turns of their own."""
        end_user = row.end_user if self._is_application(row.user_id) else None
        return Entry(id=row.run.id, priority=row.run.priority, who=who(row.user_id, end_user))

    def task_places(self, rows: Sequence[TaskRow]) -> list[Entry]:
        users = {row.asked.user_id for row in rows}
        return places(rows, frozenset(filter(self._is_application, users)))

    def _is_application(self, user_id: UUID) -> bool:
        account = self.accounts.get(user_id)
        return account is not None and account.user.settings.get("application") is True

    def claimable(self, row: RunRow) -> bool:
        """Say whether a run is queued, the oldest of its session, and the session is free."""
        if row.run.status != "queued":
            return False
        others = () if row.run.session_id is None else self.runs_of(row.run.session_id)
        return not any(
            other.run.status in ("running", "waiting")
            or (other.run.status == "queued" and other.seq < row.seq)
            for other in others
        )

    def offer_next(self, session_id: UUID | None) -> None:
        """Let the next queued run of a session begin, if it has one and is free."""
        rows = () if session_id is None else self.runs_of(session_id)
        self.queue.offer(*(self.entry(row) for row in rows if self.claimable(row)))

    def session_as_told(self, session_id: UUID) -> Session:
        """Return a session with the status that follows from its runs."""
        statuses = {row.run.status for row in self.runs_of(session_id)}
        session = self.sessions[session_id]
        if "running" in statuses:
            return msgspec.structs.replace(session, status="running")
        if "waiting" in statuses:
            return msgspec.structs.replace(session, status="waiting")
        return session

    def message_as_told(self, row: MessageRow) -> Message:
        """Return a message with its step's calls as they stand now; a copy has its own."""
        if row.message.tool_calls:
            return row.message
        rows = self.calls.get(row.message.run_id, [])
        calls = tuple(call.call for call in rows if call.step == row.step)
        return msgspec.structs.replace(row.message, tool_calls=calls) if calls else row.message

    def messages_of(self, session_id: UUID) -> Iterator[MessageRow]:
        """Return the messages of a session, by run."""
        yield from self.copies.get(session_id, ())
        for run in self.runs_of(session_id):
            yield from self.messages.get(run.run.id, ())

    def runs_of(self, session_id: UUID) -> Iterator[RunRow]:
        return (row for row in self.runs.values() if row.run.session_id == session_id)
