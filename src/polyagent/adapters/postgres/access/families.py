"""Families of refresh tokens, in PostgreSQL: each change is one guarded statement."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, exists, func, insert, select, update

from polyagent.adapters.postgres.access.tables import TokenFamilyRow as F
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tables import UserRow as U
from polyagent.domain.account import Actor
from polyagent.domain.token_family import RefreshToken, TokenFamily

_COLUMNS = [getattr(F, name) for name in TokenFamily.__struct_fields__]


class PostgresFamilies:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._actor = actor
        self._ours = F.workspace_id == actor.workspace_id
        active = exists().where(U.id == F.user_id, U.status == "active")
        self._living = (self._ours, F.revoked_at.is_(None), F.expires_at > func.now(), active)

    async def add(self, family: TokenFamily) -> None:
        row = {name: getattr(family, name) for name in TokenFamily.__struct_fields__}
        await self._statements.run(
            insert(F).values(row | {"workspace_id": self._actor.workspace_id})
        )

    async def rotate(self, token: RefreshToken, key: bytes, *, idle_s: float) -> TokenFamily | None:
        rotation = (
            update(F)
            .where(*self._living, *_is_newest(token), _since(idle_s))
            .values(
                token_hash=token.successor(key).own_hash,
                previous_hash=F.token_hash,
                successor_key=key,
                rotated_at=func.now(),
            )
            .returning(*_COLUMNS)
        )
        return _family(await self._statements.first(rotation))

    async def rotated(self, token: RefreshToken, *, within_s: float) -> TokenFamily | None:
        is_previous = (F.family_hash == token.family_hash, F.previous_hash == token.own_hash)
        return _family(
            await self._statements.first(
                select(*_COLUMNS).where(*self._living, *is_previous, _since(within_s))
            )
        )

    async def revoke_reused(self, token: RefreshToken) -> UUID | None:
        is_dead = (F.family_hash == token.family_hash, F.token_hash != token.own_hash)
        row = await self._statements.first(self._revoke(*is_dead).returning(F.user_id))
        return None if row is None else row["user_id"]

    async def revoke(self, family_id: UUID) -> None:
        own = F.user_id == self._actor.user_id
        await self._statements.run(self._revoke(F.id == family_id, own))

    async def revoke_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        others = () if but is None else (F.id != but,)
        await self._statements.run(self._revoke(F.user_id == user_id, *others))

    def _revoke(self, *which: Any) -> Any:
        at = func.coalesce(F.revoked_at, func.now())
        return update(F).where(self._ours, *which).values(revoked_at=at)


def _is_newest(token: RefreshToken) -> tuple[Any, Any]:
    return F.family_hash == token.family_hash, F.token_hash == token.own_hash


def _since(seconds: float) -> Any:
    return F.rotated_at > func.now() - timedelta(seconds=seconds)


def _family(row: RowMapping | None) -> TokenFamily | None:
    return None if row is None else TokenFamily(**row)
