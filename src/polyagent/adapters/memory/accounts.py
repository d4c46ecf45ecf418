"""Users of a workspace, in memory."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Account, Actor, User
from polyagent.domain.errors import NameTaken, NotFound
from polyagent.domain.page import Page, PageAsk
from polyagent.ports.clock import Clock


class MemoryAccounts:
    def __init__(self, state: State, undo: Undo, actor: Actor, clock: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock

    async def add(self, account: Account) -> None:
        new = account.user
        for user in self._users():
            if user.username.lower() == new.username.lower():
                raise NameTaken(f"The username {new.username} is in use.")
            if user.email.lower() == new.email.lower():
                raise NameTaken(f"The email {new.email} is in use.")
        self._undo.put(self._state.accounts, new.id, account)

    async def by_id(self, user_id: UUID) -> Account:
        account = self._state.accounts.get(user_id)
        if account is None or account.user.workspace_id != self._actor.workspace_id:
            raise NotFound(f"There is no user {user_id}.")
        return account

    async def by_login(self, *, username: str | None, email: str | None) -> Account | None:
        for user in self._users():
            if username is not None and user.username.lower() == username.lower():
                return self._state.accounts[user.id]
            if email is not None and user.email.lower() == email.lower():
                return self._state.accounts[user.id]
        return None

    async def list(self, page: PageAsk) -> Page[User]:
        return paged(self._users(), page, lambda user: user.id.int)

    async def logged_in(self, user_id: UUID, at: datetime) -> None:
        account = await self.by_id(user_id)
        self._put(account, user=replace(account.user, last_login_at=at))

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        account = await self.by_id(user_id)
        self._put(
            account,
            user=replace(account.user, updated_at=self._clock.now()),
            password_hash=password_hash,
            session_version=account.session_version + 1,
        )

    async def is_empty(self) -> bool:
        return next(self._users(), None) is None

    def _users(self) -> Iterator[User]:
        users = (account.user for account in self._state.accounts.values())
        return (user for user in users if user.workspace_id == self._actor.workspace_id)

    def _put(self, account: Account, **changes: Any) -> None:
        self._undo.put(self._state.accounts, account.user.id, replace(account, **changes))
