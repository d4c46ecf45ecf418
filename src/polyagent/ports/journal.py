"""The journal of runs as their executors see it. Every write is guarded by the lease's epoch.

Each method may raise `StoreUnavailable`: it may have been done all the same. Call it again with the
same arguments: what was already done by this lease is recognised and answered, never done twice.

A run that ends lets the next queued one of its session begin: that is offered to the queue.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from polyagent.domain.event import Event
from polyagent.domain.run import Beat, Lease, StepRecord, Work
from polyagent.domain.tool import ToolResult


class Journal(Protocol):
    async def claim(
        self,
        worker_id: UUID,
        *,
        limit: int,
        dead_owners: bool,
        run_id: UUID | None = None,
        queued: Sequence[UUID] | None = None,
    ) -> list[Work]:
        """Take runs over and return them, each under a new epoch with its first event written.

        Those that were handed over or decided, with `dead_owners` those whose owner is dead, and queued
        ones (of a session only the oldest, when the session is free). With `run_id` just that one, also
        when it is this worker's own. With `queued` exactly those of them that can be claimed, and
        nothing else, whatever the limit; if it is empty, no queued ones. With neither no more queued ones
        of a user than may execute at once: who names them has counted them. A run that stalled three
        times fails with `run_poisoned` instead, one that this version cannot read with `run_unreadable`.
        """

    async def commit_step(self, lease: Lease, record: StepRecord) -> bool:
        """Record a step; True if the run is to be cancelled. Raises `Fenced`: write nothing more."""

    async def start_call(self, lease: Lease, call_id: str) -> int:
        """Mark a call `started` and return its attempt, counted from 1 over all executors.

        Raises `Fenced`, `Cancelled`, and `ToolInDoubt` if it is a `once` call that a dead epoch started.
        """

    async def finish_call(
        self, lease: Lease, call_id: str, result: ToolResult, event: Event
    ) -> bool:
        """Record what came of a call, with its event; True if the run is to be cancelled.

        A call that never started ends too (`cancelled`, `in_doubt`, `failed`). Raises `Fenced`.
        """

    async def hand_over(self, lease: Lease) -> None:
        """Let anybody claim the run at once, at no cost in stalls. A lease that is gone is no error."""

    async def beat(self, worker_id: UUID) -> Beat:
        """Say that this worker lives, and read which runs are its own.

        Takes the connection that proves liveness; raises `StoreUnavailable` when it is lost, and
        opens a new one at the next call.
        """

    async def may_judge(self) -> bool:
        """Say whether this process may declare others dead: its connection and the server are old enough."""

    async def leave(self, worker_id: UUID) -> None:
        """Take the worker's row away: this process is ending in good order."""
