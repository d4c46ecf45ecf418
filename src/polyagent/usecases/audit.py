"""The audit log: what is noted beside a change, and reading it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.audit import CLIENT, Action, AuditEntry, Outcome
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock
from polyagent.ports.store import Store, Transaction


class Audit:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def note(
        self,
        tx: Transaction,
        action: Action,
        *,
        actor_id: UUID | None,
        object: object = None,  # noqa: A002  # the field's name
        outcome: Outcome = "done",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an entry in the transaction of what it tells of: both are stored or neither."""
        entry = AuditEntry(
            id=new_id(),
            at=self._clock.now(),
            actor_id=actor_id,
            action=action,
            outcome=outcome,
            object=None if object is None else str(object),
            client=CLIENT.get(),
            details=dict(details or {}),
        )
        await tx.audit.add(entry)

    async def request(self, actor: Actor, request: str, *, outcome: Outcome) -> None:
        """Note an administrator's request for what is others', or one that was refused."""
        async with self._store.begin(actor) as tx:
            await self.note(tx, "request", actor_id=actor.user_id, object=request, outcome=outcome)

    async def list(self, actor: Actor, page: PageAsk) -> Page[AuditEntry]:
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            return await tx.audit.list(page)
