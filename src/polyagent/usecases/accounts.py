"""Users: the first administrator, logging in, who an access token stands for."""

import secrets
from uuid import UUID

import msgspec

from polyagent.domain.account import Account, Actor, Claims, Login, NewUser, Tokens, User
from polyagent.domain.errors import BadCredentials, Invalid, NameTaken, NotFound, Unauthenticated
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.startup import Prepared
from polyagent.ports.clock import Clock
from polyagent.ports.store import Store, Transaction
from polyagent.ports.vault import Passwords, TokenRing

ADMIN = "admin"
TRUST_S = 5.0
MAX_TRUSTED = 10_000


class LogIn:
    def __init__(self, store: Store, passwords: Passwords, tokens: TokenRing, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock

    async def __call__(self, login: Login) -> Tokens:
        """Raises `BadCredentials`, alike and as slowly for an unknown name and a wrong password."""
        if (login.username is None) == (login.email is None):
            raise Invalid("Log in with a username or with an email: exactly one of them.")
        actor = Actor.system()
        async with self._store.begin(actor) as tx:
            account = await tx.accounts.by_login(username=login.username, email=login.email)
        hashed = account.password_hash if account else None
        if not await self._passwords.verify(login.password, hashed) or account is None:
            raise BadCredentials("The name or the password is wrong.")
        if account.user.status != "active":
            raise BadCredentials("The name or the password is wrong.")
        async with self._store.begin(actor) as tx:
            await tx.accounts.logged_in(account.user.id, self._clock.now())
        token, lifetime_s = self._tokens.issue(account.user.id, account.session_version)
        return Tokens(access_token=token, expires_in=lifetime_s)


class Authenticate:
    """Find out who a token stands for. What the store says is trusted for five seconds."""

    def __init__(self, store: Store, tokens: TokenRing, clock: Clock) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._trusted: dict[UUID, tuple[float, Account]] = {}

    def claims(self, token: str) -> Claims:
        """Return what a token says. Raises `Unauthenticated`."""
        return self._tokens.verify(token)

    async def __call__(self, claims: Claims) -> Actor:
        """Return whom the claims of a token stand for now. Raises `Unauthenticated`."""
        account = await self._account(claims)
        if account.user.status != "active" or account.session_version != claims.session_version:
            raise Unauthenticated("This token was revoked: log in again.")
        user = account.user
        return Actor(user_id=user.id, workspace_id=user.workspace_id, role=user.role)

    async def _account(self, claims: Claims) -> Account:
        now = self._clock.monotonic()
        until, account = self._trusted.get(claims.user_id, (0.0, None))
        if account is not None and now < until:
            return account
        try:
            async with self._store.begin(Actor.system()) as tx:
                account = await tx.accounts.by_id(claims.user_id)
        except NotFound as error:
            raise Unauthenticated("The user of this token is gone.") from error
        if len(self._trusted) >= MAX_TRUSTED:
            self._trusted.clear()
        self._trusted[claims.user_id] = (now + TRUST_S, account)
        return account


class ManageAccounts:
    def __init__(self, store: Store, passwords: Passwords, tokens: TokenRing, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock

    async def create(self, actor: Actor, new: NewUser) -> User:
        """Raises `NameTaken`."""
        actor.require("admin")
        hashed = await self._passwords.hash(new.password)
        now = self._clock.now()
        user = User(
            id=new_id(),
            workspace_id=actor.workspace_id,
            username=new.username,
            email=new.email,
            role=new.role,
            created_at=now,
            updated_at=now,
        )
        async with self._store.begin(actor) as tx:
            await tx.accounts.add(Account(user=user, password_hash=hashed))
        return user

    async def list(self, actor: Actor, page: PageAsk) -> Page[User]:
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            return await tx.accounts.list(page)

    async def profile(self, actor: Actor) -> User:
        actor.require("profile")
        async with self._store.begin(actor) as tx:
            return (await tx.accounts.by_id(actor.user_id)).user

    async def reset_password(self, actor: Actor, username: str, password: str) -> User:
        """Set a password and end the user's sessions. Raises `NotFound`."""
        actor.require("admin")
        hashed = await self._passwords.hash(password)
        async with self._store.begin(actor) as tx:
            account = await _named(tx, username)
            await tx.accounts.set_password(account.user.id, hashed)
        return account.user

    async def token_for(self, actor: Actor, username: str, *, lifetime_s: int | None) -> str:
        """Return an access token of a user without its password. Raises `NotFound`."""
        actor.require("admin")
        async with self._store.begin(actor) as tx:
            account = await _named(tx, username)
        token, _ = self._tokens.issue(
            account.user.id, account.session_version, lifetime_s=lifetime_s
        )
        return token

    async def first(self, password: str | None) -> Prepared:
        """Make the first administrator, unless there is a user; None generates its password."""
        actor = Actor.system()
        async with self._store.begin(actor) as tx:
            if not await tx.accounts.is_empty():
                return Prepared(username=ADMIN)
        chosen = password or secrets.token_urlsafe(12)
        new = {"username": ADMIN, "email": "admin@localhost", "password": chosen, "role": ADMIN}
        try:
            await self.create(actor, msgspec.convert(new, NewUser))
        except msgspec.ValidationError as error:
            raise Invalid(f"POLYAGENT_ADMIN_PASSWORD: {error}.") from error
        except NameTaken:
            return Prepared(username=ADMIN)
        return Prepared(username=ADMIN, password=None if password else chosen, created=True)


async def _named(tx: Transaction, username: str) -> Account:
    account = await tx.accounts.by_login(username=username, email=None)
    if account is None:
        raise NotFound(f"There is no user named {username}.")
    return account
