"""Users of a workspace, in memory."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Unpack
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.task_rows import TaskRow
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Account, Actor, User, is_administrator
from polyagent.domain.errors import LastAdministrator, NameTaken, NotFound
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import OWNER_GONE
from polyagent.ports.clock import Clock
from polyagent.ports.store import UserChanges


class MemoryAccounts:
    def __init__(self, state: State, undo: Undo, actor: Actor, clock: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock

    async def add(self, account: Account) -> None:
        self._require_free(account.user)
        self._undo.put(self._state.accounts, account.user.id, account)

    def _require_free(self, new: User) -> None:
        for user in self._users():
            if user.id == new.id:
                continue
            if user.username.lower() == new.username.lower():
                raise NameTaken(f"The username {new.username} is in use.")
            if user.email.lower() == new.email.lower():
                raise NameTaken(f"The email {new.email} is in use.")

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

    async def change(self, user_id: UUID, **values: Unpack[UserChanges]) -> User:
        account = await self.by_id(user_id)
        user = replace(account.user, **values, updated_at=self._clock.now())
        self._require_free(user)
        self._put(account, user=user)
        self._require_administrator(account.user)
        if values.get("status") == "suspended":
            self._stop_tasks(user_id)
        return user

    async def delete(self, user_id: UUID) -> None:
        account = await self.by_id(user_id)
        self._undo.remove(self._state.accounts, user_id)
        self._require_administrator(account.user)
        for family in [f for f in self._state.families.values() if f.family.user_id == user_id]:
            self._undo.remove(self._state.families, family.family.id)
        for key in [k.key for k in self._state.api_keys.values() if k.key.user_id == user_id]:
            self._undo.remove(self._state.api_keys, key.id)
        for hook in [
            h.webhook for h in self._state.webhooks.values() if h.webhook.user_id == user_id
        ]:
            self._undo.remove(self._state.webhooks, hook.id)
        for document in [
            row.document
            for row in self._state.documents.values()
            if row.document.owner_id == user_id
        ]:
            self._undo.remove(self._state.documents, document.id)
        for name in [name for name, whose in self._state.identities.items() if whose == user_id]:
            self._undo.remove(self._state.identities, name)
        for schedule in [s for s in self._state.schedules.values() if s.user_id == user_id]:
            self._undo.remove(self._state.schedules, schedule.id)
        self._hide_what_is_of(user_id)
        self._stop_tasks(user_id)
        self._drop_tasks(user_id)

    def _stop_tasks(self, user_id: UUID) -> None:
        for row in self._tasks(user_id):
            if row.status == "running":
                self._put_task(row, cancel_at=row.cancel_at or self._clock.now())

    def _drop_tasks(self, user_id: UUID) -> None:
        now = self._clock.now()
        for row in self._tasks(user_id):
            if row.is_waiting:
                self._put_task(row, status="cancelled", error=OWNER_GONE, finished_at=now)

    def _tasks(self, user_id: UUID) -> Sequence[TaskRow]:
        return [row for row in self._state.tasks.values() if row.asked.user_id == user_id]

    def _put_task(self, row: TaskRow, **changes: Any) -> None:
        self._undo.put(self._state.tasks, row.asked.id, replace(row, **changes))

    def _hide_what_is_of(self, user_id: UUID) -> None:
        for agent in self._state.agents.values():
            if agent.owner_id == user_id:
                self._undo.include(self._state.deleted_agents, agent.id)
        for session in self._state.sessions.values():
            if session.user_id == user_id:
                self._undo.include(self._state.deleted_sessions, session.id)
        for row in [row for row in self._state.runs.values() if row.user_id == user_id]:
            asked = row.cancel_at if row.run.is_final else row.cancel_at or self._clock.now()
            self._undo.put(self._state.runs, row.run.id, replace(row, hidden=True, cancel_at=asked))

    def _require_administrator(self, was: User) -> None:
        """Raise `LastAdministrator` if there was one and is none."""
        is_left = any(is_administrator(user) for user in self._users())
        if is_administrator(was) and not is_left:
            raise LastAdministrator("There would be no administrator left.")

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        account = await self.by_id(user_id)
        self._put(
            account,
            user=replace(account.user, updated_at=self._clock.now()),
            password_hash=password_hash,
            session_version=account.session_version + 1,
        )

    def _users(self) -> Iterator[User]:
        users = (account.user for account in self._state.accounts.values())
        return (user for user in users if user.workspace_id == self._actor.workspace_id)

    def _put(self, account: Account, **changes: Any) -> None:
        self._undo.put(self._state.accounts, account.user.id, replace(account, **changes))
