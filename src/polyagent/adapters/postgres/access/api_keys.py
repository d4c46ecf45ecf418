"""API keys, in PostgreSQL."""

from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, delete, insert, select

from polyagent.adapters.postgres.access.tables import ApiKeyRow as K
from polyagent.adapters.postgres.page import by_id, page_of
from polyagent.adapters.postgres.statements import Statements
from polyagent.domain.account import Actor
from polyagent.domain.api_key import ApiKey, prefix_of
from polyagent.domain.errors import NotFound
from polyagent.domain.page import Page, PageAsk

_STORED = [name for name in ApiKey.__struct_fields__ if name != "prefix"]
_COLUMNS = [getattr(K, name) for name in _STORED]


class PostgresApiKeys:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._actor = actor
        own = () if actor.is_admin else (K.user_id == actor.user_id,)
        self._visible = (K.workspace_id == actor.workspace_id, *own)

    async def add(self, key: ApiKey, secret_hash: bytes) -> None:
        row = {name: getattr(key, name) for name in _STORED}
        also = {"workspace_id": self._actor.workspace_id, "secret_hash": secret_hash}
        await self._statements.run(insert(K).values(row | also))

    async def list(self, page: PageAsk) -> Page[ApiKey]:
        found = select(*_COLUMNS).where(*self._visible)
        rows = await self._statements.all(by_id(found, K.id, page))
        return page_of(rows, page, lambda row: row["id"], _key)

    async def delete(self, key_id: UUID) -> UUID:
        gone = delete(K).where(*self._visible, K.id == key_id).returning(K.user_id)
        row = await self._statements.first(gone)
        if row is None:
            raise NotFound(f"There is no API key {key_id}.")
        user_id: UUID = row["user_id"]
        return user_id


def _key(row: RowMapping) -> ApiKey:
    scopes = msgspec.json.decode(row["scopes"])
    return ApiKey(**{**row, "scopes": scopes}, prefix=prefix_of(row["id"]))
