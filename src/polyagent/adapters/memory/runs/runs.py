"""Runs, as those who ask for them see them, in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.runs.ledger import Ledger
from polyagent.adapters.memory.state import KeyName, KeyRow, RunRow, State
from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent, AgentType
from polyagent.domain.chat import Session, no_agent
from polyagent.domain.errors import (
    IdempotencyKeyReused,
    Limited,
    NotFound,
    RunFinished,
    SessionBusy,
)
from polyagent.domain.event import EPOCH, Event, RunCancelled, RunQueued, RunStarted
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.run import (
    CANCELLED,
    QUEUE_FULL,
    QUEUE_FULL_S,
    Admitted,
    IdempotencyKey,
    NewRun,
    Run,
    RunStatus,
    Sighting,
    Tail,
)
from polyagent.ports.clock import Clock
from polyagent.ports.runs import NEWEST, Ground

KEY_LIFETIME = timedelta(hours=24)
QUEUED_RUNS = 100
UNFINISHED = ("queued", "running", "waiting")


class MemoryRuns:
    def __init__(self, state: State, clock: Clock, *, queued_runs: int = QUEUED_RUNS) -> None:
        self._state = state
        self._clock = clock
        self._queued_runs = queued_runs
        self._ledger = Ledger(state)

    async def ground(
        self,
        actor: Actor,
        *,
        agent_id: UUID | None,
        agent_type: AgentType | None,
        session_id: UUID | None,
        end_user: str | None,
        agent_name: str | None = None,
        resting: bool = False,
    ) -> Ground:
        session = None if session_id is None else self._session(actor, session_id)
        if session is not None and end_user not in (None, session.end_user):
            raise NotFound(f"There is no session {session_id}.")
        if agent_id is None and agent_name is not None:
            agent_id = self._named(actor, agent_name)
        wanted = agent_id
        if agent_id is None and agent_type is None and session is not None:
            wanted = session.agent_id
        agent = self._agent(actor, wanted) if wanted else self._builtin(actor, agent_type)
        if agent is None:
            raise no_agent(session, agent_id, agent_type)
        if not resting:
            agent.require_active()
        history = self._ledger.history(session.id) if session else ()
        summary = self._ledger.summary(session.id) if session else None
        return Ground(agent=agent, session=session, history=history, summary=summary)

    def _session(self, actor: Actor, session_id: UUID) -> Session:
        session = self._state.sessions.get(session_id)
        if (
            session is None
            or session_id in self._state.deleted_sessions
            or (session.workspace_id, session.user_id) != (actor.workspace_id, actor.user_id)
        ):
            raise NotFound(f"There is no session {session_id}.")
        return self._state.session_as_told(session_id)

    def _agent(self, actor: Actor, agent_id: UUID) -> Agent | None:
        agent = self._state.agents.get(agent_id)
        return agent if agent is not None and self._sees_agent(actor, agent) else None

    def _named(self, actor: Actor, name: str) -> UUID:
        agents = self._state.agents.values()
        found = [agent for agent in agents if agent.name == name and self._sees_agent(actor, agent)]
        if not found:
            raise NotFound(f"There is no agent {name}.")
        return min(found, key=lambda agent: agent.precedence(actor.user_id)).id

    def _sees_agent(self, actor: Actor, agent: Agent) -> bool:
        if agent.id in self._state.deleted_agents or agent.workspace_id != actor.workspace_id:
            return False
        return agent.owner_id == actor.user_id or agent.visibility == "shared" or actor.is_admin

    def _builtin(self, actor: Actor, agent_type: AgentType | None) -> Agent | None:
        wanted = agent_type or "general"
        for agent in self._state.agents.values():
            theirs = (agent.workspace_id, agent.builtin, agent.type)
            if theirs == (actor.workspace_id, True, wanted):
                return self._agent(actor, agent.id)
        return None

    async def admit(
        self,
        actor: Actor,
        run: NewRun,
        ground: Ground,
        *,
        worker_id: UUID | None,
        key: IdempotencyKey | None = None,
    ) -> Admitted:
        if (before := self._admitted_before(actor, run, worker_id, key)) is not None:
            return before
        ahead = self._ahead(actor, run)
        if ahead and run.reject_if_busy:
            raise SessionBusy(
                "The session has a run that has not ended: wait for it, or use enqueue."
            )
        owner = None if ahead else worker_id
        if owner is None and self._queued_by(actor) >= self._queued_runs:
            raise Limited(QUEUE_FULL, retry_after_s=QUEUE_FULL_S)
        if run.new_session and run.session_id is not None:
            self._make_session(actor, run, run.session_id)
        if key is not None:
            self._keep(actor, run, key)
        row = self._row(actor, run, owner)
        self._ledger.put(row)
        self._begin(row)
        if self._state.claimable(row):
            self._state.queue.offer(self._state.entry(row))
        work = self._ledger.work(row, owner) if owner else None
        return Admitted(run=self._ledger.told(row), work=work)

    async def replayed(self, actor: Actor, key: IdempotencyKey) -> Admitted | None:
        kept = self._kept(actor, key)
        row = self._state.runs.get(kept.run_id) if kept else None
        if row is None or row.hidden:
            return None
        return Admitted(run=self._ledger.told(row), replayed=True)

    def _queued_by(self, actor: Actor) -> int:
        rows = self._state.runs.values()
        return sum(row.run.status == "queued" and row.user_id == actor.user_id for row in rows)

    def _admitted_before(
        self, actor: Actor, run: NewRun, worker_id: UUID | None, key: IdempotencyKey | None
    ) -> Admitted | None:
        kept = self._kept(actor, key) if key is not None else None
        row = self._state.runs.get(kept.run_id if kept else run.id)
        if row.hidden if row else kept:
            raise NotFound("The run of this Idempotency-Key went away with its session.")
        if row is None:
            return None
        is_same = row.run.id == run.id
        is_mine = is_same and row.epoch == 1 and row.owner == worker_id
        work = self._ledger.work(row, worker_id) if worker_id and is_mine else None
        return Admitted(run=self._ledger.told(row), work=work, replayed=not is_same)

    def _kept(self, actor: Actor, key: IdempotencyKey) -> KeyRow | None:
        kept = self._state.keys.get(_name(actor, key))
        if kept is None or kept.expires_at <= self._clock.now():
            return None
        if kept.body_hash != key.body_hash:
            raise IdempotencyKeyReused("This Idempotency-Key was used for something else.")
        return None if self._failed_in_silence(kept.run_id) else kept

    def _failed_in_silence(self, run_id: UUID) -> bool:
        row = self._state.runs.get(run_id)
        error = row.run.error if row is not None and row.run.status == "failed" else None
        if error is None or not error.retryable:
            return False
        return all(event.type != "message.completed" for event in self._state.events[run_id])

    def _keep(self, actor: Actor, run: NewRun, key: IdempotencyKey) -> None:
        self._state.keys[_name(actor, key)] = KeyRow(
            body_hash=key.body_hash,
            run_id=run.id,
            expires_at=self._clock.now() + KEY_LIFETIME,
        )

    def _ahead(self, actor: Actor, run: NewRun) -> list[RunRow]:
        if run.session_id is None or run.new_session:
            return []
        session = self._session(actor, run.session_id)
        return [row for row in self._state.runs_of(session.id) if row.run.status in UNFINISHED]

    def _make_session(self, actor: Actor, run: NewRun, session_id: UUID) -> None:
        now = self._clock.now()
        self._state.sessions[session_id] = Session(
            id=session_id,
            workspace_id=actor.workspace_id,
            user_id=actor.user_id,
            end_user=run.end_user,
            agent_id=run.agent_id,
            title=run.title,
            created_at=now,
            updated_at=now,
        )

    def _row(self, actor: Actor, new: NewRun, owner: UUID | None) -> RunRow:
        now = self._clock.now()
        run = Run(
            id=new.id,
            session_id=new.session_id,
            agent_id=new.agent_id,
            agent_version=new.agent_version,
            status="running" if owner else "queued",
            priority=new.priority,
            message_id=new.message_id,
            created_at=now,
            started_at=now if owner else None,
            metadata=new.metadata,
        )
        return RunRow(
            seq=self._state.next_seq(),
            run=run,
            spec=new.spec,
            workspace_id=actor.workspace_id,
            user_id=actor.user_id,
            end_user=new.end_user,
            owner=owner,
            epoch=1 if owner else 0,
        )

    def _begin(self, row: RunRow) -> None:
        run, now = row.run, row.run.created_at
        if run.status == "queued":
            position = self._ledger.told(row).position or 1
            self._ledger.tell(row, 1, now, RunQueued(position))
        else:
            started = RunStarted(run.agent_id, run.agent_version, run.attempt)
            self._ledger.tell(row, EPOCH + 1, now, started)
            self._ledger.ask(row, now)

    async def get(self, actor: Actor, run_id: UUID) -> Run:
        return self._ledger.told(self._visible(actor, run_id))

    async def list(
        self,
        actor: Actor,
        page: PageAsk,
        *,
        session_id: UUID | None,
        status: RunStatus | None,
        end_user: str | None,
    ) -> Page[Run]:
        found = (
            self._ledger.told(row)
            for row in self._state.runs.values()
            if _sees(actor, row)
            and session_id in (None, row.run.session_id)
            and status in (None, row.run.status)
            and end_user in (None, row.end_user)
        )
        return paged(found, page, lambda run: run.id.int)

    async def events(
        self, actor: Actor, run_id: UUID, after: int, *, limit: int = 1000
    ) -> tuple[Run, Sequence[Event]]:
        row = self._visible(actor, run_id)
        events = [event for event in self._state.events[run_id] if event.id > after]
        return self._ledger.told(row), events[:limit]

    async def latest(self, actor: Actor, session_ids: Sequence[UUID]) -> Sequence[Sighting]:
        found: list[tuple[int, Sighting]] = []
        for session_id in session_ids:
            rows = [row for row in self._state.runs_of(session_id) if _sees(actor, row)]
            newest = sorted(row.run.id.int for row in rows)[-NEWEST:]
            found += [
                (row.seq, Sighting(session_id, row.run.id, row.run.is_final))
                for row in rows
                if not row.run.is_final or row.run.id.int in newest
            ]
        return [sighting for _, sighting in sorted(found, key=lambda pair: pair[0])]

    async def cancel(self, actor: Actor, run_id: UUID) -> Run:
        row = self._visible(actor, run_id)
        if row.run.status in ("completed", "failed"):
            raise RunFinished(f"The run has {row.run.status} already.")
        if row.run.status == "cancelled":
            return row.run
        now = self._clock.now()
        row = replace(row, cancel_at=row.cancel_at or now)
        if row.run.status == "running":
            self._ledger.put(row)
            return row.run
        last = self._state.events[run_id][-1].id
        run = replace(row.run, status="cancelled", finished_at=now, error=CANCELLED)
        self._ledger.end(replace(row, run=run), last, now, RunCancelled(CANCELLED.detail))
        self._state.offer_next(run.session_id)
        return run

    async def tails(self, run_ids: Collection[UUID]) -> Mapping[UUID, Tail]:
        runs, events = self._state.runs, self._state.events
        return {
            run_id: Tail(events[run_id][-1].id, runs[run_id].run.is_final)
            for run_id in run_ids
            if run_id in runs
        }

    async def journaled(self, run_id: UUID) -> Sequence[Event]:
        return tuple(self._state.events.get(run_id, ()))

    def _visible(self, actor: Actor, run_id: UUID) -> RunRow:
        row = self._state.runs.get(run_id)
        if row is None or not _sees(actor, row):
            raise NotFound(f"There is no run {run_id}.")
        return row


def _sees(actor: Actor, row: RunRow) -> bool:
    if row.hidden or row.workspace_id != actor.workspace_id:
        return False
    return actor.is_admin or row.user_id == actor.user_id


def _name(actor: Actor, key: IdempotencyKey) -> KeyName:
    return (actor.workspace_id, actor.user_id, key.end_user or "", key.route, key.key)
