"""Strangers whom another issuer vouches for: users from the first time that they are seen."""

from uuid import UUID

from polyagent.domain.account import Account, Actor, Claims, Role, User, changed
from polyagent.domain.errors import Conflict, LastAdministrator
from polyagent.domain.identity import Stranger, email_of, username_of
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock
from polyagent.ports.store import Store
from polyagent.usecases.audit import Audit
from polyagent.usecases.trust import Trust

KNOWN_S = 60.0
MAX_KNOWN = 10_000


class WelcomeStranger:
    def __init__(self, store: Store, clock: Clock, trust: Trust, audit: Audit) -> None:
        self._audit = audit
        self._store = store
        self._clock = clock
        self._trust = trust
        self._known: dict[Stranger, tuple[float, Claims]] = {}

    async def __call__(self, stranger: Stranger) -> Claims:
        """Return the claims of a stranger's user, made and given its role if need be."""
        now_s = self._clock.monotonic()
        until_s, claims = self._known.get(stranger, (0.0, None))
        if claims is None or now_s >= until_s:
            user_id = await self._user_id(stranger)
            claims = Claims(user_id=user_id, session_version=None, expires_at=stranger.expires_at)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[stranger] = (now_s + KNOWN_S, claims)
        return claims

    async def _user_id(self, stranger: Stranger) -> UUID:
        async with self._store.begin(Actor.system()) as tx:
            user_id = await tx.identities.find(stranger.issuer, stranger.subject)
        if user_id is None:
            return await self._made(stranger)
        if stranger.role is not None:
            await self._give_role(user_id, stranger.issuer, stranger.role)
        return user_id

    async def _give_role(self, user_id: UUID, issuer: str, role: Role) -> None:
        try:
            async with self._store.begin(Actor.system()) as tx:
                user = (await tx.accounts.by_id(user_id)).user
                if role == user.role:
                    return
                now = await tx.accounts.change(user_id, role=role)
                details = {"issuer": issuer, **changed(user, now)}
                await self._audit.note(
                    tx, "user.changed", actor_id=None, object=user_id, details=details
                )
        except LastAdministrator:
            return  # somebody must manage the workspace
        self._trust.forget(user_id)

    async def _made(self, stranger: Stranger) -> UUID:
        """Make the user; whoever loses the race to do so takes the one that won."""
        for attempt in range(3):
            user = self._user(stranger, taken=attempt > 0)
            try:
                async with self._store.begin(Actor.system()) as tx:
                    await tx.accounts.add(Account(user=user, password_hash=""))
                    await tx.identities.add(stranger.issuer, stranger.subject, user.id)
                    details = {"issuer": stranger.issuer, "role": user.role}
                    await self._audit.note(
                        tx, "user.created", actor_id=user.id, object=user.id, details=details
                    )
            except Conflict:  # the name is somebody's, or the stranger has just been made
                pass
            else:
                return user.id
            async with self._store.begin(Actor.system()) as tx:
                found = await tx.identities.find(stranger.issuer, stranger.subject)
            if found is not None:
                return found
        raise Conflict("Somebody else has just been given this name: try again.")

    def _user(self, stranger: Stranger, *, taken: bool) -> User:
        user_id, now = new_id(), self._clock.now()
        return User(
            id=user_id,
            workspace_id=Actor.system().workspace_id,
            username=username_of(stranger, user_id, taken=taken),
            email=email_of(stranger, user_id, taken=taken),
            role=stranger.role or "member",
            created_at=now,
            updated_at=now,
        )
