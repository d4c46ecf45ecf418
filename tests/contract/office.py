"""The vocabulary of the run contracts: people who ask, workers who answer, and a journal between them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from polyagent.domain.account import DEFAULT_WORKSPACE, Actor, Role
from polyagent.domain.agent import Agent, AgentStatus, AgentType, Visibility
from polyagent.domain.chat import Message, TextPart
from polyagent.domain.event import (
    Event,
    EventBody,
    MessageCompleted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    ToolCalled,
    ToolCompleted,
)
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import (
    Admitted,
    IdempotencyKey,
    NewRun,
    Run,
    RunError,
    RunStatus,
    Spec,
    StepRecord,
    Work,
)
from polyagent.domain.tool import Effect, ToolCall, ToolResult
from polyagent.domain.usage import Usage
from polyagent.ports.answers import Answers
from polyagent.ports.journal import Journal
from polyagent.ports.queue import Backlog, Queue
from polyagent.ports.runs import Ground, Runs
from polyagent.ports.store import Store
from polyagent.ports.upkeep import Upkeep
from polyagent.ports.usage import UsageBook
from tests.contract.rows import Rows

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
QUEUED_RUNS = 100
USER_RUNS = 20
DONE = ToolResult(state="done", result={"is": 42})


class Office:
    """Two users and an administrator of one workspace, an agent of theirs, and a worker that is alive."""

    def __init__(
        self,
        runs: Runs,
        journal: Journal,
        backlog: Backlog,
        queue: Queue,
        store: Store,
        kept: Answers,
        upkeep: Upkeep,
        book: UsageBook,
        rows: Rows,
    ) -> None:
        self.runs = runs
        self.journal = journal
        self.backlog = backlog
        self.queue = queue
        self.store = store
        self.kept = kept
        self.upkeep = upkeep
        self.book = book
        self.rows = rows
        self.alice = person()
        self.bob = person()
        self.admin = person("admin")
        self.worker_id = new_id()

    async def opens(self) -> None:
        self.agent = await self.makes_agent(visibility="shared", builtin=True, type="general")
        await self.journal.beat(self.worker_id)

    async def makes_agent(
        self,
        owner: Actor | None = None,
        *,
        visibility: Visibility = "private",
        status: AgentStatus = "active",
        builtin: bool = False,
        type: AgentType = "custom",  # noqa: A002  # the field's name
        name: str | None = None,
    ) -> Agent:
        agent = Agent(
            id=new_id(),
            workspace_id=DEFAULT_WORKSPACE,
            owner_id=(owner or self.admin).user_id,
            version=1,
            name=name or f"agent {new_id()}",
            type=type,
            visibility=visibility,
            status=status,
            builtin=builtin,
            created_at=NOON,
            updated_at=NOON,
        )
        await self.rows.put_agent(agent)
        return agent

    async def ground(
        self,
        actor: Actor | None = None,
        *,
        session_id: UUID | None = None,
        agent_id: UUID | None = None,
        agent_type: AgentType | None = None,
        agent_name: str | None = None,
        end_user: str | None = None,
        resting: bool = False,
    ) -> Ground:
        return await self.runs.ground(
            actor or self.alice,
            agent_id=agent_id,
            agent_type=agent_type,
            agent_name=agent_name,
            session_id=session_id,
            end_user=end_user,
            resting=resting,
        )

    def new(self, text: str = "hello", session_id: UUID | None = None, **changes: Any) -> NewRun:
        run = NewRun(
            id=new_id(),
            message_id=new_id(),
            session_id=session_id or new_id(),
            new_session=session_id is None,
            title=text,
            agent_id=self.agent.id,
            agent_version=1,
            spec=Spec(parts=(TextPart(text),)),
        )
        return replace(run, **changes)

    async def admits(
        self,
        run: NewRun,
        actor: Actor | None = None,
        *,
        ground: Ground | None = None,
        background: bool = False,
        key: IdempotencyKey | None = None,
    ) -> Admitted:
        actor = actor or self.alice
        if ground is None:
            session_id = None if run.new_session else run.session_id
            ground = await self.ground(actor, session_id=session_id)
        worker_id = None if background else self.worker_id
        return await self.runs.admit(actor, run, ground, worker_id=worker_id, key=key)

    async def works(
        self, text: str = "hello", session_id: UUID | None = None, **changes: Any
    ) -> Work:
        """Return a run of alice's that was admitted and is to be executed here."""
        admitted = await self.admits(self.new(text, session_id, **changes))
        assert admitted.work is not None
        return admitted.work

    async def queues(self, text: str = "hello", session_id: UUID | None = None) -> Run:
        return (await self.admits(self.new(text, session_id), background=True)).run

    async def answers(self, work: Work, text: str = "hi") -> bool:
        """Commit the last step of a run."""
        return await self.journal.commit_step(work.lease, final(work, text))

    async def calls(self, work: Work, *effects: Effect) -> tuple[ToolCall, ...]:
        """Commit a step that asks for a call of each effect."""
        record = step(work, "let me see", *effects)
        await self.journal.commit_step(work.lease, record)
        return record.calls

    async def claims(
        self,
        worker_id: UUID | None = None,
        *,
        limit: int = 8,
        dead_owners: bool = False,
        run_id: UUID | None = None,
        queued: Sequence[UUID] | None = None,
    ) -> list[Work]:
        return await self.journal.claim(
            worker_id or self.worker_id,
            limit=limit,
            dead_owners=dead_owners,
            run_id=run_id,
            queued=queued,
        )

    async def turns(self) -> list[UUID]:
        """Take what the queue was offered."""
        return [entry.id for entry in await self.queue.take(100, 0)]

    async def takes_over(self, work: Work) -> Work:
        """Let the run's worker fall silent, and have another claim what it did."""
        await self.rows.expire_lease(work.lease.worker_id)
        worker_id = new_id()
        await self.journal.beat(worker_id)
        (taken,) = await self.claims(worker_id, dead_owners=True, run_id=work.run.id)
        return taken

    async def lists(
        self,
        actor: Actor | None = None,
        *,
        session_id: UUID | None = None,
        status: RunStatus | None = None,
        end_user: str | None = None,
        page: PageAsk = PageAsk(limit=100),  # noqa: B008  # frozen
    ) -> list[Run]:
        found = await self.runs.list(
            actor or self.alice, page, session_id=session_id, status=status, end_user=end_user
        )
        return found.items

    async def events(self, run_id: UUID, after: int = 0) -> Sequence[Event]:
        return (await self.runs.events(self.alice, run_id, after))[1]

    async def story(self, run_id: UUID) -> list[EventBody]:
        return [event.body for event in await self.events(run_id)]

    async def numbers(self, run_id: UUID) -> list[tuple[int, int]]:
        return [divmod(event.id, 10_000_000) for event in await self.events(run_id)]

    async def status(self, run_id: UUID) -> str:
        return (await self.runs.get(self.alice, run_id)).status

    async def history(self, session_id: UUID | None) -> tuple[Message, ...]:
        assert session_id is not None
        return (await self.ground(session_id=session_id)).history


def person(role: Role = "member") -> Actor:
    return Actor(user_id=new_id(), workspace_id=DEFAULT_WORKSPACE, role=role)


def said(message: Message) -> tuple[str, str]:
    return message.role, message.content


def happened(work: Work, n: int, body: EventBody) -> Event:
    """Return the `n`-th event after the first of the work's epoch."""
    run = work.run
    return Event(id=work.begun.id + n, run_id=run.id, session_id=run.session_id, at=NOON, body=body)


def told(work: Work, *bodies: EventBody, begin: int = 1) -> tuple[Event, ...]:
    return tuple(happened(work, n, body) for n, body in enumerate(bodies, begin))


def step(work: Work, text: str, *effects: Effect) -> StepRecord:
    """Return the record of the next step, which asks for a call of each effect."""
    done = work.run.step + 1
    calls = tuple(
        ToolCall(id=f"call_{done}_{n}", name="look", arguments={"n": n}, effect=effect)
        for n, effect in enumerate(effects)
    )
    message = _message(work, text, calls)
    called = (ToolCalled(done, call.id, call.name, call.arguments) for call in calls)
    return StepRecord(
        step=done,
        status="running",
        usage=Usage(output_tokens=done),
        message=message,
        calls=calls,
        events=told(work, MessageCompleted(done, message), *called),
    )


def final(work: Work, text: str, *, begin: int = 1, done: int | None = None) -> StepRecord:
    done = done or work.run.step + 1
    message = _message(work, text, ())
    usage = Usage(output_tokens=7)
    end = RunCompleted(message.id, usage)
    return StepRecord(
        step=done,
        status="completed",
        usage=usage,
        message=message,
        events=told(work, MessageCompleted(done, message), end, begin=begin),
    )


def failed(work: Work, *, retryable: bool = False, begin: int = 1) -> StepRecord:
    error = RunError(code="model_service_unavailable", detail="no answer", retryable=retryable)
    return StepRecord(
        step=work.run.step,
        status="failed",
        usage=Usage(),
        error=error,
        events=told(work, RunFailed(error.code, error.detail, retryable), begin=begin),
    )


def cancelled(work: Work, *, begin: int = 1) -> StepRecord:
    end = RunCancelled("It was asked for.")
    return StepRecord(
        step=work.run.step, status="cancelled", usage=Usage(), events=told(work, end, begin=begin)
    )


def finished(work: Work, call: ToolCall, n: int, result: ToolResult = DONE) -> Event:
    return happened(work, n, ToolCompleted(call.id, result.state, result.result, result.error))


def _message(work: Work, text: str, calls: tuple[ToolCall, ...]) -> Message:
    return Message(
        id=new_id(),
        session_id=work.run.session_id,
        run_id=work.run.id,
        role="assistant",
        content=text,
        parts=(TextPart(text),),
        tool_calls=calls,
        created_at=NOON,
    )
