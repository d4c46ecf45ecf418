"""The audit log: what is noted beside a change or instead of one, and reading it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.audit import CLIENT, Action, AuditEntry, Flood, Outcome
from polyagent.domain.errors import Unavailable
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.text import clean
from polyagent.ports.clock import Clock
from polyagent.ports.store import Store, Transaction

SEEN_S = 600.0
MAX_SEEN = 10_000
MAX_TEXT = 200


class Audit:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._flood = Flood()
        self._seen: dict[tuple[UUID, Action, str | None], float] = {}

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
            object=None if object is None else clean(str(object))[:MAX_TEXT],
            client=CLIENT.get(),
            details=dict(details or {}),
        )
        await tx.audit.add(entry)

    async def note_theirs(
        self, tx: Transaction, action: Action, actor: Actor, owner_id: UUID, *, object_id: UUID
    ) -> None:
        """Note, in its transaction, what an administrator does to what is somebody else's."""
        if owner_id != actor.user_id:
            details = {"owner_id": str(owner_id)}
            await self.note(tx, action, actor_id=actor.user_id, object=object_id, details=details)

    async def seen_theirs(
        self, actor: Actor, action: Action, owner_id: UUID, object_id: UUID
    ) -> None:
        """Note, as `seen` does, that an administrator reads what is somebody else's."""
        if owner_id != actor.user_id:
            await self.seen(actor, action, object_id)

    async def seen_list(self, actor: Actor, action: Action) -> None:
        """Note, as `seen` does, that an administrator lists everybody's."""
        if actor.is_admin:
            await self.seen(actor, action)

    async def seen(self, actor: Actor, action: Action, object: object = None) -> None:  # noqa: A002
        """Note that an administrator reads what is others', once in ten minutes for each object.

        What cannot be noted is not to be shown: raises `StoreUnavailable`.
        """
        told = None if object is None else str(object)
        what, now_s = (actor.user_id, action, told), self._clock.monotonic()
        if now_s < self._seen.get(what, 0.0):
            return
        async with self._store.begin(actor) as tx:
            await self.note(tx, action, actor_id=actor.user_id, object=told)
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        self._seen[what] = now_s + SEEN_S

    async def refused(
        self,
        action: Action,
        *,
        object: object = None,  # noqa: A002
        actor: Actor | None = None,
        about: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that somebody was refused; of a flood some, with the number of those before them.

        `about` tells the floods of strangers apart; None: each address has one.

        A store that is away changes nothing about the refusal.
        """
        one = str(actor.user_id if actor else about or CLIENT.get())
        left_out = self._flood.admit(action, one, self._clock.monotonic())
        if left_out is None:
            return
        told = dict(details or {}) | ({"left_out": left_out} if left_out else {})
        who = actor or Actor.system()
        actor_id = actor.user_id if actor else None
        with suppress(Unavailable):
            async with self._store.begin(who) as tx:
                await self.note(
                    tx, action, actor_id=actor_id, object=object, outcome="refused", details=told
                )

    async def list(self, actor: Actor, page: PageAsk) -> Page[AuditEntry]:
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            return await tx.audit.list(page)
