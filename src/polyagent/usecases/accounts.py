"""Users: who there are, the first administrator, and what an operator does for them."""

import secrets
from typing import cast
from uuid import UUID

import msgspec

from polyagent.domain.account import (
    Account,
    Actor,
    LoginPolicy,
    NewUser,
    PatchUser,
    Registration,
    User,
    changed,
    merged_settings,
)
from polyagent.domain.errors import Invalid, NameTaken, NotFound, RegistrationClosed
from polyagent.domain.ids import new_id
from polyagent.domain.names import fit_email, fit_username, same_name
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.password import require_uncommon
from polyagent.domain.startup import Prepared
from polyagent.ports.clock import Clock
from polyagent.ports.store import Store, Transaction, UserChanges
from polyagent.ports.vault import Passwords, TokenRing
from polyagent.usecases.audit import Audit
from polyagent.usecases.trust import Trust

ADMIN = "admin"


class ManageAccounts:
    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        tokens: TokenRing,
        clock: Clock,
        policy: LoginPolicy,
        trust: Trust,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._store = store
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._policy = policy
        self._trust = trust

    async def register(self, new: Registration) -> User:
        """Raises `RegistrationClosed`, `NameTaken`."""
        if self._policy.registration == "closed":
            raise RegistrationClosed("Accounts are made by an administrator here.")
        member = NewUser(username=new.username, email=new.email, password=new.password)
        return await self.create(Actor.system(), member)

    async def create(self, actor: Actor, new: NewUser) -> User:
        """Raises `NameTaken`, `PasswordCommon`, `Invalid`."""
        require_uncommon(new.password)
        return await self._create(actor, new)

    async def _create(self, actor: Actor, new: NewUser) -> User:
        actor.require("admin")
        username, email = fit_username(new.username), fit_email(new.email)
        hashed = await self._passwords.hash(new.password)
        now = self._clock.now()
        user = User(
            id=new_id(),
            workspace_id=actor.workspace_id,
            username=username,
            email=email,
            role=new.role,
            created_at=now,
            updated_at=now,
        )
        async with self._store.begin(actor) as tx:
            await tx.accounts.add(Account(user=user, password_hash=hashed))
            await self._audit.note(
                tx,
                "user.created",
                actor_id=actor.user_id,
                object=user.id,
                details={"role": user.role},
            )
        return user

    async def list(self, actor: Actor, page: PageAsk) -> Page[User]:
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            return await tx.accounts.list(page)

    async def get(self, actor: Actor, user_id: UUID) -> User:
        """Raises `NotFound`."""
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            return (await tx.accounts.by_id(user_id)).user

    async def change(self, actor: Actor, user_id: UUID, patch: PatchUser) -> User:
        """Raises `NotFound`, `LastAdministrator`, `Invalid`."""
        actor.require("admin")
        given = msgspec.structs.asdict(patch).items()
        changes = {name: value for name, value in given if value is not msgspec.UNSET}
        async with self._store.begin(actor) as tx:
            now = (await tx.accounts.by_id(user_id)).user
            if "settings" in changes:
                changes["settings"] = merged_settings(now.settings, changes["settings"])
            user = await tx.accounts.change(user_id, **cast("UserChanges", changes))
            await self._audit.note(
                tx,
                "user.changed",
                actor_id=actor.user_id,
                object=user_id,
                details=changed(now, user),
            )
        self._trust.forget(user_id)
        return user

    async def delete(self, actor: Actor, user_id: UUID) -> None:
        """Raises `NotFound`, `LastAdministrator`."""
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            await tx.accounts.delete(user_id)
            await self._audit.note(tx, "user.deleted", actor_id=actor.user_id, object=user_id)
        self._trust.forget(user_id)

    async def reset_password(self, actor: Actor, username: str, password: str) -> User:
        """Set a password and end the user's sessions. Raises `NotFound`, `PasswordCommon`."""
        actor.require("admin")
        require_uncommon(password)
        hashed = await self._passwords.hash(password)
        async with self._store.begin(actor) as tx:
            account = await _named(tx, username)
            await tx.accounts.set_password(account.user.id, hashed)
            await tx.families.revoke_all(account.user.id)
            await self._audit.note(
                tx, "password.changed", actor_id=actor.user_id, object=account.user.id
            )
        self._trust.forget(account.user.id)
        return account.user

    async def token_for(self, actor: Actor, username: str, *, lifetime_s: int | None) -> str:
        """Return an access token of a user without its password. Raises `NotFound`."""
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            account = await _named(tx, username)
            await self._audit.note(tx, "token.made", actor_id=actor.user_id, object=account.user.id)
        token, _ = self._tokens.issue(
            account.user.id, account.session_version, lifetime_s=lifetime_s
        )
        return token

    async def first(self, password: str | None) -> Prepared:
        """Make the first administrator, unless there is a user; None generates its password.

        A common password is the operator's own choice.
        """
        actor = Actor.system()
        async with self._store.begin(actor) as tx:
            if (await tx.accounts.list(PageAsk(limit=1))).items:
                return Prepared(username=ADMIN)
        chosen = password or secrets.token_urlsafe(12)
        new = {"username": ADMIN, "email": "admin@localhost", "password": chosen, "role": ADMIN}
        try:
            await self._create(actor, msgspec.convert(new, NewUser))
        except msgspec.ValidationError as error:
            raise Invalid(f"POLYAGENT_ADMIN_PASSWORD: {error}.") from error
        except NameTaken:
            return Prepared(username=ADMIN)
        return Prepared(username=ADMIN, password=None if password else chosen, created=True)


async def _named(tx: Transaction, username: str) -> Account:
    account = await tx.accounts.by_login(username=same_name(username), email=None)
    if account is None:
        raise NotFound(f"There is no user named {username}.")
    return account
