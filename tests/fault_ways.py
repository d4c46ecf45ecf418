"""How each method of each port can fail: with the port's own error, with an answer, or not at all."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from polyagent.domain.errors import (
    DocumentUnreadable,
    FetchFailed,
    Limited,
    ModelServiceBroken,
    ModelServiceUnavailable,
    PolyAgentError,
    QueueUnavailable,
    SealBroken,
    StorageUnavailable,
    StoreUnavailable,
    TaskFailed,
    ToolFailed,
    Unauthenticated,
    Unavailable,
)
from polyagent.domain.health import Component
from polyagent.domain.limit import Bucket, Standing
from polyagent.domain.tool import ToolResult
from polyagent.ports.answers import Answers as KeptAnswers
from polyagent.ports.clock import Clock
from polyagent.ports.console import Console
from polyagent.ports.documents.blobs import Blobs
from polyagent.ports.documents.documents import Documents, Indexes
from polyagent.ports.documents.embeddings import Embeddings, Reranker
from polyagent.ports.documents.extractor import Extractor
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.ports.documents.vectors import Vectors
from polyagent.ports.events import Events, Feed, LiveLogs
from polyagent.ports.executor import Control, Executor
from polyagent.ports.failures import LoginFailures
from polyagent.ports.health import Probe
from polyagent.ports.journal import Journal
from polyagent.ports.kinds import Kind, Kinds, TaskControl
from polyagent.ports.limits import Places, Rates
from polyagent.ports.models import Models
from polyagent.ports.outbound import Outbound
from polyagent.ports.queue import Backlog, Queue, TaskBacklog, TaskQueue
from polyagent.ports.runs import Runs
from polyagent.ports.schemas import Schemas
from polyagent.ports.search import Search
from polyagent.ports.signals import Signals
from polyagent.ports.standing import Standing as Credentials
from polyagent.ports.store import (
    Accounts,
    Agents,
    ApiKeys,
    AuditLog,
    Families,
    Identities,
    Schedules,
    Sessions,
    Store,
    Tasks,
    Transaction,
    Webhooks,
)
from polyagent.ports.tasks import TaskJournal
from polyagent.ports.telemetry import Exposition, Meter
from polyagent.ports.tickets import Tickets
from polyagent.ports.tools import Tools
from polyagent.ports.upkeep import Upkeep
from polyagent.ports.usage import UsageBook
from polyagent.ports.vault import ForeignTokens, Passwords, Seals, TokenRing


class Raises(msgspec.Struct, frozen=True):
    """`error` where nothing was done yet; `broken` in the middle of a stream (None: the same)."""

    error: Callable[[str], PolyAgentError]
    broken: Callable[[str], PolyAgentError] | None = None


class Answers(msgspec.Struct, frozen=True):
    """It never raises: when it fails, this is what it answers instead.

    `at_once`: nothing comes between the decision to call it and its beginning. A process that is
    stopped just there makes a tool call after another one made it, as RUNS.md says; tests cannot tell
    that from a defect, so it is left out.
    """

    value: Any = None
    at_once: bool = False


class NeverFails(msgspec.Struct, frozen=True):
    because: str


Way = Raises | Answers | NeverFails

AWAY = Raises(StoreUnavailable)
NO_MODEL = Raises(ModelServiceUnavailable, ModelServiceBroken)
LOST = Answers()
HERE = NeverFails("it is memory of this process")


def _all(way: Way, names: str) -> dict[str, Way]:
    return dict.fromkeys(names.split(), way)


WAYS: Mapping[type, Mapping[str, Way]] = {
    Clock: _all(NeverFails("the machine has a clock"), "now monotonic sleep"),
    Console: _all(NeverFails("who loses the terminal gets a signal"), "step warn confirm ready stopping"),
    Events: _all(LOST, "publish flush") | _all(HERE, "open close subscribe"),
    LiveLogs: _all(HERE, "open publish flush close subscribe relay shown"),
    Feed: _all(HERE, "take wait wake"),
    Signals: _all(LOST, "cancelled") | _all(HERE, "on_cancelled"),
    Queue: _all(Raises(QueueUnavailable), "put take begin_sweep end_sweep") | _all(LOST, "offer"),
    Backlog: _all(AWAY, "page depth"),
    KeptAnswers: _all(AWAY, "begin renew keep release"),
    Upkeep: _all(AWAY, "sweep"),
    LoginFailures: _all(NeverFails("it counts in memory while Redis is away"), "of add clear trust trusts"),
    Tickets: _all(Raises(QueueUnavailable), "put take"),
    Rates: _all(Answers(Standing(Bucket("user", "somebody", 600), 600, 0.0)), "take")
    | _all(LOST, "give_back")
    | _all(HERE, "peek"),
    Places: _all(Answers(value=True), "enter") | _all(LOST, "hold leave"),
    Control: _all(Answers(value=False), "holds_lease"),
    Executor: _all(LOST, "admitting launch wake cancel")
    | _all(NeverFails("it looks at its own context"), "traceparent"),
    Probe: _all(Answers(Component(status="down")), "check"),
    Journal: _all(AWAY, "claim commit_step start_call finish_call hand_over beat leave")
    | _all(Answers(value=False), "may_judge"),
    Models: _all(NO_MODEL, "stream info list") | _all(Answers(Component(status="down")), "health"),
    Outbound: _all(Raises(FetchFailed), "fetch")
    | _all(NeverFails("it is computed"), "require_allowed judge"),
    Schedules: _all(AWAY, "now add get list change delete due move"),
    Runs: _all(AWAY, "ground admit replayed get list events cancel tails journaled latest"),
    Schemas: _all(NeverFails("it computes"), "require_sound misfit"),
    Search: _all(Raises(ToolFailed), "__call__"),
    Accounts: _all(AWAY, "add by_id by_login list logged_in change delete set_password"),
    Agents: _all(AWAY, "add get list change delete versions at_version"),
    Sessions: _all(AWAY, "get list change delete messages fork"),
    Families: _all(AWAY, "add rotate rotated revoke_reused revoke revoke_all"),
    ApiKeys: _all(AWAY, "add list delete"),
    Identities: _all(AWAY, "find add"),
    ForeignTokens: _all(Raises(Unavailable), "verify"),
    AuditLog: _all(AWAY, "add list"),
    UsageBook: _all(AWAY, "read"),
    Credentials: _all(AWAY, "of key"),
    Tasks: _all(AWAY, "add waiting get list cancel retry stats"),
    Webhooks: _all(AWAY, "add get list put rotate sealed delete"),
    Seals: _all(Raises(SealBroken), "open") | _all(NeverFails("the key is in memory"), "seal"),
    TaskQueue: _all(Raises(QueueUnavailable), "put take begin_sweep end_sweep") | _all(LOST, "offer"),
    TaskBacklog: _all(AWAY, "page depth"),
    TaskJournal: _all(AWAY, "claim claim_oldest finish progress take_over"),
    TaskControl: _all(LOST, "progress"),
    Kind: _all(Raises(TaskFailed), "__call__") | _all(NeverFails("it computes"), "check"),
    Kinds: _all(NeverFails("kinds are registered at the start"), "names get"),
    Documents: _all(AWAY, "add get blob list chunks renew delete"),
    Blobs: _all(Raises(StorageUnavailable), "put read delete names"),
    Extractor: _all(Raises(DocumentUnreadable), "__call__"),
    Indexes: _all(AWAY, "begin write finish known"),
    Retrieval: _all(AWAY, "by_terms by_vector space first known"),
    Vectors: _all(AWAY, "open claim begin lacking write finish settle"),
    Embeddings: _all(NO_MODEL, "embed") | _all(HERE, "wanted"),
    Reranker: _all(NO_MODEL, "rank") | _all(HERE, "most"),
    Transaction: {},
    Store: _all(AWAY, "begin"),
    Meter: _all(NeverFails("it counts in memory"), "run_ended tokens_used first_token task_started task_ended watch"),
    Exposition: _all(NeverFails("it counts in memory"), "observe_request observe_refusal watch render"),
    Tools: _all(Answers(ToolResult(state="failed", error="It broke."), at_once=True), "call")
    | _all(NeverFails("tools are registered at the start"), "list get"),
    Passwords: _all(Raises(Limited), "hash verify"),
    TokenRing: _all(Raises(Unauthenticated), "verify")
    | _all(NeverFails("the key is in memory"), "issue"),
}  # fmt: skip


def undeclared(port: type, methods: Iterable[str]) -> list[str]:
    """Name the methods of a port of which nobody said how they fail."""
    return [f"{port.__name__}.{name}" for name in methods if name not in WAYS.get(port, {})]
