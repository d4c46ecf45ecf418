"""Logging in, staying logged in, logging out."""

import secrets
from datetime import timedelta

from polyagent.domain.account import Account, Actor, Claims, Login, LoginPolicy, Tokens
from polyagent.domain.errors import BadCredentials, Invalid, RefreshTokenReused
from polyagent.domain.ids import new_id
from polyagent.domain.names import same_name
from polyagent.domain.token_family import HALF_BYTES, RefreshToken, TokenFamily, stale
from polyagent.ports.clock import Clock
from polyagent.ports.store import Store, Transaction
from polyagent.ports.vault import TokenRing
from polyagent.usecases.audit import Audit
from polyagent.usecases.trust import Trust
from polyagent.usecases.verify_password import PasswordCheck


class LogIn:
    def __init__(
        self,
        store: Store,
        check: PasswordCheck,
        tokens: TokenRing,
        clock: Clock,
        policy: LoginPolicy,
        audit: Audit,
    ) -> None:
        self._store = store
        self._audit = audit
        self._check = check
        self._tokens = tokens
        self._clock = clock
        self._policy = policy

    async def __call__(self, login: Login) -> Tokens:
        """Raises `BadCredentials`, alike and as slowly for an unknown name and a wrong password.

        `Limited` after some failures in a row under one name.
        """
        if (login.username is None) == (login.email is None):
            raise Invalid("Log in with a username or with an email: exactly one of them.")
        account = await self._account(login)
        who = _called(login)
        hashed = account.password_hash or None if account else None
        try:
            await self._check(who, login.password, hashed)
            known = _active(account)
        except BadCredentials:
            # of nobody's login only that it failed: people type passwords into that field; and as many
            # under each name, since to note one takes a time that would tell which names there are
            known_id = account.user.id if account else None
            await self._audit.refused("login", object=known_id, about=who)
            raise
        return await self._let_in(known)

    async def _account(self, login: Login) -> Account | None:
        username = None if login.username is None else same_name(login.username)
        email = None if login.email is None else same_name(login.email)
        async with self._store.begin(Actor.system()) as tx:
            return await tx.accounts.by_login(username=username, email=email)

    async def _let_in(self, account: Account) -> Tokens:
        refresh, now = RefreshToken.new(), self._clock.now()
        family = TokenFamily(
            id=new_id(),
            user_id=account.user.id,
            family_hash=refresh.family_hash,
            token_hash=refresh.own_hash,
            expires_at=now + timedelta(seconds=self._policy.refresh_lifetime_s),
        )
        async with self._store.begin(Actor.system(account.user.workspace_id)) as tx:
            await tx.accounts.logged_in(account.user.id, now)
            await tx.families.add(family)
            user_id = account.user.id
            await self._audit.note(tx, "login", actor_id=user_id, object=user_id)
        return _tokens(self._tokens, family, refresh)


class RefreshLogin:
    """Give a new pair for a refresh token, once."""

    def __init__(
        self, store: Store, tokens: TokenRing, policy: LoginPolicy, trust: Trust, audit: Audit
    ) -> None:
        self._store = store
        self._audit = audit
        self._tokens = tokens
        self._policy = policy
        self._trust = trust

    async def __call__(self, text: str) -> Tokens:
        """Raises `RefreshTokenReused`, having ended the family; `Unauthenticated`."""
        token = RefreshToken.read(text)
        async with self._store.begin(Actor.system()) as tx:
            family = await self._rotated(tx, token)
            reused = None if family else await tx.families.revoke_reused(token)
            if reused is not None:
                await self._audit.note(
                    tx, "refresh_token.reused", actor_id=None, object=reused, outcome="refused"
                )
        if reused is not None:
            self._trust.forget(reused)
            raise RefreshTokenReused("This refresh token had been used already: log in again.")
        if family is None or family.successor_key is None:
            raise stale()
        return _tokens(self._tokens, family, token.successor(family.successor_key))

    async def _rotated(self, tx: Transaction, token: RefreshToken) -> TokenFamily | None:
        key = secrets.token_bytes(HALF_BYTES)
        family = await tx.families.rotate(token, key, idle_s=self._policy.refresh_idle_s)
        if family is None and self._policy.refresh_grace_s:
            family = await tx.families.rotated(token, within_s=self._policy.refresh_grace_s)
        return family


class LogOut:
    def __init__(self, store: Store, trust: Trust, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        self._trust = trust

    async def __call__(self, actor: Actor, claims: Claims) -> None:
        """End the login that these credentials come from. Raises `Invalid` for those of no login."""
        actor.require("profile")
        if claims.family_id is None:
            raise Invalid("These credentials come from no login: nothing is logged out.")
        async with self._store.begin(actor) as tx:
            await tx.families.revoke(claims.family_id)
            await self._audit.note(tx, "logout", actor_id=actor.user_id)
        self._trust.forget(actor.user_id)


def _tokens(ring: TokenRing, family: TokenFamily, refresh: RefreshToken) -> Tokens:
    token, lifetime_s = ring.issue(family.user_id, family_id=family.id)
    return Tokens(access_token=token, refresh_token=refresh.text, expires_in=lifetime_s)


def _called(login: Login) -> str:
    kind, name = ("name", login.username) if login.email is None else ("email", login.email)
    return same_name(f"{kind}:{name}").lower()


def _active(account: Account | None) -> Account:
    if account is None or account.user.status != "active":
        raise BadCredentials("The name or the password is wrong.")
    return account
