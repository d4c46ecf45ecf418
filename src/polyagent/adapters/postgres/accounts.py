"""Users of a workspace, in PostgreSQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, func, insert, select, update

from polyagent.adapters.postgres.page import by_id, page_of
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tables import UserRow as U
from polyagent.domain.account import Account, Actor, User
from polyagent.domain.errors import NotFound
from polyagent.domain.page import Page, PageAsk


class PostgresAccounts:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._workspace_id = actor.workspace_id
        self._ours = U.workspace_id == actor.workspace_id

    async def add(self, account: Account) -> None:
        row = msgspec.structs.asdict(account.user) | {
            "workspace_id": self._workspace_id,
            "password_hash": account.password_hash,
            "session_version": account.session_version,
        }
        await self._statements.run(insert(U).values(row))

    async def by_id(self, user_id: UUID) -> Account:
        row = await self._statements.first(_SELECT.where(self._ours, U.id == user_id))
        if row is None:
            raise _absent(user_id)
        return _account(row)

    async def by_login(self, *, username: str | None, email: str | None) -> Account | None:
        column, name = (U.username, username) if username is not None else (U.email, email)
        same = func.lower(column) == func.lower(name)
        row = await self._statements.first(_SELECT.where(self._ours, same))
        return _account(row) if row else None

    async def list(self, page: PageAsk) -> Page[User]:
        rows = await self._statements.all(by_id(_SELECT.where(self._ours), U.id, page))
        return page_of(rows, page, lambda row: row["id"], _user)

    async def logged_in(self, user_id: UUID, at: datetime) -> None:
        await self._change(user_id, last_login_at=at)

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        await self._change(
            user_id,
            password_hash=password_hash,
            session_version=U.session_version + 1,
            updated_at=func.now(),
        )

    async def is_empty(self) -> bool:
        found = await self._statements.first(select(U.id).where(self._ours).limit(1))
        return found is None

    async def _change(self, user_id: UUID, **values: Any) -> None:
        change = update(U).where(self._ours, U.id == user_id).values(values).returning(U.id)
        if await self._statements.first(change) is None:
            raise _absent(user_id)


_SELECT = select(*U.__table__.columns)


def _account(row: RowMapping) -> Account:
    return Account(
        user=_user(row), password_hash=row["password_hash"], session_version=row["session_version"]
    )


def _user(row: RowMapping) -> User:
    columns = {field: row[field] for field in User.__struct_fields__}
    return User(**columns | {"settings": msgspec.json.decode(row["settings"])})


def _absent(user_id: UUID) -> NotFound:
    return NotFound(f"There is no user {user_id}.")
