"""Users of a workspace, in PostgreSQL."""

from datetime import datetime
from typing import Any, Unpack
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, delete, func, insert, select, text, update

from polyagent.adapters.postgres.page import by_id, page_of
from polyagent.adapters.postgres.pool import json_text
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tables import UserRow as U
from polyagent.domain.account import Account, Actor, User
from polyagent.domain.errors import LastAdministrator, NotFound
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import OWNER_GONE
from polyagent.ports.store import UserChanges


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

    async def change(self, user_id: UUID, **values: Unpack[UserChanges]) -> User:
        if "role" in values or "status" in values:
            is_admin = values.get("role", "admin") == "admin"
            is_suspended = values.get("status") == "suspended"
            await self._require_others(user_id, stays=is_admin and not is_suspended)
            if is_suspended:
                await self._statements.run(_STOP.bindparams(**self._of(user_id)))
        row = await self._change(user_id, **values, updated_at=func.now())
        return _user(row)

    async def delete(self, user_id: UUID) -> None:
        await self._require_others(user_id, stays=False)
        for statement in (*_HIDE, _STOP, _DROP):
            await self._statements.run(statement.bindparams(**self._of(user_id)))
        gone = delete(U).where(self._ours, U.id == user_id).returning(U.id)
        if await self._statements.first(gone) is None:
            raise _absent(user_id)

    def _of(self, user_id: UUID) -> dict[str, UUID]:
        return {"user_id": user_id, "workspace_id": self._workspace_id}

    async def _require_others(self, user_id: UUID, *, stays: bool) -> None:
        """Hold the administrators as they are. Raises `LastAdministrator` if this one alone is one."""
        active = (self._ours, U.role == "admin", U.status == "active")
        held = select(U.id).where(*active).order_by(U.id).with_for_update(key_share=True)
        ids = [row["id"] for row in await self._statements.all(held)]
        if ids == [user_id] and not stays:
            raise LastAdministrator("There would be no administrator left.")

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        await self._change(
            user_id,
            password_hash=password_hash,
            session_version=U.session_version + 1,
            updated_at=func.now(),
        )

    async def _change(self, user_id: UUID, **values: Any) -> RowMapping:
        which = (self._ours, U.id == user_id)
        change = update(U).where(*which).values(values).returning(*U.__table__.columns)
        row = await self._statements.first(change)
        if row is None:
            raise _absent(user_id)
        return row


_SELECT = select(*U.__table__.columns)

# Sessions before their runs, as everywhere. Whoever executes or claims a run sees that it is cancelled.
_HIDE = tuple(
    text(f"{statement} WHERE user_id = :user_id AND workspace_id = :workspace_id {also}")
    for statement, also in (
        ("UPDATE sessions SET deleted_at = now()", "AND deleted_at IS NULL"),
        (
            "UPDATE runs SET hidden = true, cancel_at = coalesce(cancel_at, now())",
            "AND status IN ('queued', 'running', 'waiting')",
        ),
        ("UPDATE runs SET hidden = true", "AND NOT hidden"),
        ("UPDATE agents SET deleted_at = now()", "AND deleted_at IS NULL"),
        ("DELETE FROM schedules", ""),
        ("DELETE FROM webhooks", ""),  # which would hear of the tasks
    )
)

# Their workers see it, as they see that a task is cancelled.
_STOP = text("""
UPDATE tasks SET cancel_at = coalesce(cancel_at, now())
WHERE user_id = :user_id AND workspace_id = :workspace_id AND status = 'running'
""")
_DROP = text("""
UPDATE tasks SET status = 'cancelled', error = CAST(:error AS jsonb), finished_at = now()
WHERE user_id = :user_id AND workspace_id = :workspace_id AND status IN ('queued', 'parked')
""").bindparams(error=json_text(OWNER_GONE))


def _account(row: RowMapping) -> Account:
    return Account(
        user=_user(row), password_hash=row["password_hash"], session_version=row["session_version"]
    )


def _user(row: RowMapping) -> User:
    columns = {field: row[field] for field in User.__struct_fields__}
    return User(**columns | {"settings": msgspec.json.decode(row["settings"])})


def _absent(user_id: UUID) -> NotFound:
    return NotFound(f"There is no user {user_id}.")
