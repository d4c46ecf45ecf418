"""What the run contracts do to the rows beside the ports."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent
from polyagent.domain.event import Event
from polyagent.domain.run import Run, Spec


class Rows(Protocol):
    """What the contracts need of the adapters beside their ports."""

    async def put_agent(self, agent: Agent) -> None: ...

    async def hide_session(self, session_id: UUID) -> None: ...

    async def events(self, run_id: UUID) -> Sequence[Event]:
        """Return what is journaled, of a run of a deleted session too."""

    async def remains(self, run: Run) -> set[str]:
        """Name the tables that hold something of a run or its session."""

    async def spec(self, run_id: UUID) -> Spec: ...

    async def keys(self) -> int:
        """Count the idempotency keys that are there, expired or not."""

    async def expire_lease(self, worker_id: UUID) -> None: ...

    async def is_application(self, actor: Actor) -> None:
        """Mark a user as an application."""

    async def waits(self, run_id: UUID, *, decided: bool) -> None:
        """Let a run wait for an approval, or be ready to go on after one."""

    async def expire_keys(self) -> None: ...
