"""API keys: made, listed, deleted."""

from uuid import UUID

from polyagent.domain.account import PERMISSIONS, Actor
from polyagent.domain.api_key import ApiKey, MadeApiKey, NewApiKey, Secret, prefix_of
from polyagent.domain.errors import Fault, Forbidden, Invalid
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock
from polyagent.ports.store import Store
from polyagent.usecases.audit import Audit
from polyagent.usecases.trust import Trust


class ManageApiKeys:
    def __init__(self, store: Store, clock: Clock, trust: Trust, audit: Audit) -> None:
        self._audit = audit
        self._store = store
        self._clock = clock
        self._trust = trust

    async def create(self, actor: Actor, new: NewApiKey) -> MadeApiKey:
        """Raises `Forbidden` for scopes beyond the actor's own rights, `Invalid`."""
        actor.require("keys")
        if beyond := new.scopes - PERMISSIONS[actor.role]:
            raise Forbidden(f"A {actor.role} cannot give a key the scope {min(beyond)}.")
        now = self._clock.now()
        if new.expires_at is not None and new.expires_at <= now:
            fault = Fault("#/expires_at", "It is over already.")
            raise Invalid(fault.detail, faults=(fault,))
        secret = Secret.new(new_id())
        key = MadeApiKey(
            id=secret.key_id,
            user_id=actor.user_id,
            name=new.name,
            scopes=sorted(new.scopes),
            prefix=prefix_of(secret.key_id),
            created_at=now,
            expires_at=new.expires_at,
            secret=secret.text,
        )
        async with self._store.begin(actor) as tx:
            await tx.api_keys.add(key, secret.hash)
            await self._audit.note(
                tx,
                "api_key.created",
                actor_id=actor.user_id,
                object=key.id,
                details={"scopes": key.scopes},
            )
        return key

    async def list(self, actor: Actor, page: PageAsk) -> Page[ApiKey]:
        actor.require("keys")
        await self._audit.seen_list(actor, "api_key.read")
        async with self._store.begin(actor) as tx:
            return await tx.api_keys.list(page)

    async def delete(self, actor: Actor, key_id: UUID) -> None:
        """Raises `NotFound`."""
        actor.require("keys")
        async with self._store.begin(actor) as tx:
            user_id = await tx.api_keys.delete(key_id)
            await self._audit.note(tx, "api_key.deleted", actor_id=actor.user_id, object=key_id)
        self._trust.forget(user_id)
