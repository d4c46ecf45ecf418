"""Runs as those who ask for them see them. One statement each: this is the path of a chat request.

A queued run that nothing in its session stands before is offered to the queue.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent, AgentType
from polyagent.domain.chat import Message, Session
from polyagent.domain.event import Event
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.run import (
    Admitted,
    IdempotencyKey,
    NewRun,
    Run,
    RunStatus,
    Sighting,
    Tail,
)

NEWEST = 8


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What an ask stands on: the agent that will answer, the session with its history (oldest first).

    What `summary` stands for is not in the history.
    """

    agent: Agent
    session: Session | None = None
    history: tuple[Message, ...] = ()
    summary: Message | None = None


class Runs(Protocol):
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
        """Read all that admitting needs.

        The agent is the one of `agent_id`, else what `Agent.precedence` chooses of those that the actor
        sees under `agent_name`, else the workspace's built-in one of `agent_type`, else the session's,
        else `general`. A session must be the actor's own, and `end_user`, if given, its.
        Raises `NotFound`, `AgentGone` for the session's agent, `AgentInactive` unless `resting` will do.
        """

    async def admit(
        self,
        actor: Actor,
        run: NewRun,
        ground: Ground,
        *,
        worker_id: UUID | None,
        key: IdempotencyKey | None = None,
    ) -> Admitted:
        """Insert the run, its first event, its user message, its new session and the key: all or nothing.

        With a `worker_id` and a session that is free the run is `running`, epoch 1, and `work` is
        returned; else it is `queued` and its message enters the session when it is claimed.
        Repeating the call with the same `run.id` is safe: it answers what the run is now.
        Raises `SessionBusy` if the run asks for that, `NotFound` if the session went away,
        `IdempotencyKeyReused`, `Limited` if it would be queued behind too many of its user.
        """

    async def replayed(self, actor: Actor, key: IdempotencyKey) -> Admitted | None:
        """Return the run under `key` as `admit` would; None if it would admit a new one.

        For an ask that stands on nothing any more. Raises `IdempotencyKeyReused`.
        """

    async def get(self, actor: Actor, run_id: UUID) -> Run:
        """Raises `NotFound`."""

    async def list(
        self,
        actor: Actor,
        page: PageAsk,
        *,
        session_id: UUID | None,
        status: RunStatus | None,
        end_user: str | None,
    ) -> Page[Run]: ...

    async def events(
        self, actor: Actor, run_id: UUID, after: int, *, limit: int = 1000
    ) -> tuple[Run, Sequence[Event]]:
        """Return the run and its journaled events with ids over `after`, in order. Raises `NotFound`."""

    async def latest(self, actor: Actor, session_ids: Sequence[UUID]) -> Sequence[Sighting]:
        """Return each session's runs that have not ended, and its `NEWEST` newest, oldest first.

        A session that is not there, or is not the actor's, has none.
        """

    async def cancel(self, actor: Actor, run_id: UUID) -> Run:
        """Ask for a running run to be cancelled; a queued or waiting one is cancelled there and then.

        A cancelled run is returned as it is. Raises `RunFinished`, `NotFound`.
        """

    async def tails(self, run_ids: Collection[UUID]) -> Mapping[UUID, Tail]:
        """Say how far runs have come, whosever they are; one that is gone is not among them."""

    async def journaled(self, run_id: UUID) -> Sequence[Event]:
        """Return every journaled event of a run, whosever it is, in order."""
