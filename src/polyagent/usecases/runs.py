"""Runs: read, list, cancel."""

from collections.abc import Sequence
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.run import Run, RunStatus, Sighting
from polyagent.ports.executor import Executor
from polyagent.ports.runs import Runs
from polyagent.usecases.oversight import Oversight


class ManageRuns:
    def __init__(self, runs: Runs, executor: Executor, oversight: Oversight) -> None:
        self._runs = runs
        self._executor = executor
        self._oversight = oversight

    async def get(self, actor: Actor, run_id: UUID) -> Run:
        actor.require("chat")
        run = await self._runs.get(actor, run_id)
        await self._oversight.note(actor, "run.read", run_id)
        return run

    async def list(
        self,
        actor: Actor,
        page: PageAsk,
        *,
        session_id: UUID | None,
        status: RunStatus | None,
        end_user: str | None,
    ) -> Page[Run]:
        actor.require("chat")
        await self._oversight.note_list(actor, "run.read")
        return await self._runs.list(
            actor, page, session_id=session_id, status=status, end_user=end_user
        )

    async def latest(self, actor: Actor, session_ids: Sequence[UUID]) -> Sequence[Sighting]:
        """Return each session's runs that have not ended, and its newest ones, oldest first."""
        actor.require("chat")
        return await self._runs.latest(actor, session_ids)

    async def cancel(self, actor: Actor, run_id: UUID) -> Run:
        """Raises `RunFinished`, `NotFound`."""
        actor.require("chat")
        await self._oversight.note(actor, "run.cancelled", run_id)
        run = await self._runs.cancel(actor, run_id)
        self._executor.cancel(run_id)
        return run
