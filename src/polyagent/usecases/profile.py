"""What a user changes of itself."""

from msgspec import UNSET

from polyagent.domain.account import (
    APPLICATION,
    Account,
    Actor,
    Claims,
    PatchProfile,
    PutProfile,
    User,
    merged_settings,
)
from polyagent.domain.errors import Fault, Forbidden, Invalid
from polyagent.domain.names import fit_email
from polyagent.domain.password import require_uncommon
from polyagent.ports.store import Store, UserChanges
from polyagent.ports.vault import Passwords
from polyagent.usecases.audit import Audit
from polyagent.usecases.trust import Trust
from polyagent.usecases.verify_password import PasswordCheck


class ManageProfile:
    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        check: PasswordCheck,
        trust: Trust,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._store = store
        self._check = check
        self._passwords = passwords
        self._trust = trust

    async def get(self, actor: Actor) -> User:
        actor.require("profile")
        async with self._store.begin(actor) as tx:
            return (await tx.accounts.by_id(actor.user_id)).user

    async def replace(self, actor: Actor, put: PutProfile) -> User:
        """Raises `NameTaken`, `Forbidden` for the setting of applications, `Invalid`."""
        actor.require("profile:write")
        async with self._store.begin(actor) as tx:
            now = (await tx.accounts.by_id(actor.user_id)).user
            settings = merged_settings({}, put.settings)
            _require_no_promotion(actor, now.settings, settings)
            email = fit_email(put.email)
            return await tx.accounts.change(actor.user_id, email=email, settings=settings)

    async def patch(self, actor: Actor, claims: Claims, patch: PatchProfile) -> User:
        """Raises `BadCredentials` for a wrong current password, `Limited` after many, `PasswordCommon`.

        And as `replace` does.

        A new password ends all other logins.
        """
        actor.require("profile:write")
        hashed = await self._new_hash(actor, patch)
        async with self._store.begin(actor) as tx:
            if hashed is not None:
                await tx.accounts.set_password(actor.user_id, hashed)
                await tx.families.revoke_all(actor.user_id, but=claims.family_id)
                await self._audit.note(
                    tx, "password.changed", actor_id=actor.user_id, object=actor.user_id
                )
            now = (await tx.accounts.by_id(actor.user_id)).user
            user = await tx.accounts.change(actor.user_id, **_changes(actor, now, patch))
        if hashed is not None:
            self._trust.forget(actor.user_id)
        return user

    async def _new_hash(self, actor: Actor, patch: PatchProfile) -> str | None:
        if patch.password is UNSET and patch.current_password is UNSET:
            return None
        if patch.password is UNSET or patch.current_password is UNSET:
            missing = "password" if patch.password is UNSET else "current_password"
            fault = Fault(f"#/{missing}", "A password is changed with both of them.")
            raise Invalid(fault.detail, faults=(fault,))
        require_uncommon(patch.password)
        hashed = (await self._account(actor)).password_hash
        await self._check(f"id:{actor.user_id}", patch.current_password, hashed)
        return await self._passwords.hash(patch.password)

    async def _account(self, actor: Actor) -> Account:
        async with self._store.begin(actor) as tx:
            return await tx.accounts.by_id(actor.user_id)


def _changes(actor: Actor, now: User, patch: PatchProfile) -> UserChanges:
    changes = UserChanges()
    if patch.email is not UNSET:
        changes["email"] = fit_email(patch.email)
    if patch.settings is not UNSET:
        changes["settings"] = merged_settings(now.settings, patch.settings)
        _require_no_promotion(actor, now.settings, changes["settings"])
    return changes


def _require_no_promotion(
    actor: Actor, before: dict[str, object], after: dict[str, object]
) -> None:
    if before.get(APPLICATION) != after.get(APPLICATION) and not actor.is_admin:
        raise Forbidden("An administrator says who is an application.")
