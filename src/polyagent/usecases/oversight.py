"""Administrators among other people's runs: what they see and do there is noted."""

from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.audit import Action
from polyagent.domain.errors import NotFound
from polyagent.ports.runs import Runs
from polyagent.usecases.audit import Audit


class Oversight:
    def __init__(self, runs: Runs, audit: Audit) -> None:
        self._runs = runs
        self._audit = audit

    async def note(self, actor: Actor, action: Action, run_id: UUID) -> None:
        """Note it, unless the run is the actor's own. Costs two statements, and others than administrators none."""
        if actor.is_admin and not await self._is_own(actor, run_id):
            await self._audit.seen(actor, action, run_id)

    async def note_list(self, actor: Actor, action: Action) -> None:
        await self._audit.seen_list(actor, action)

    async def _is_own(self, actor: Actor, run_id: UUID) -> bool:
        try:
            await self._runs.get(actor.as_member, run_id)
        except NotFound:
            return False
        return True
