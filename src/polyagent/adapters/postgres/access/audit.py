"""The audit log, in PostgreSQL, which refuses to change or delete what is in it."""

import msgspec
from sqlalchemy import RowMapping, insert, select

from polyagent.adapters.postgres.access.tables import AuditRow as A
from polyagent.adapters.postgres.page import by_id, page_of
from polyagent.adapters.postgres.statements import Statements
from polyagent.domain.account import Actor
from polyagent.domain.audit import AuditEntry
from polyagent.domain.page import Page, PageAsk

_COLUMNS = [getattr(A, name) for name in AuditEntry.__struct_fields__]


class PostgresAuditLog:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._workspace_id = actor.workspace_id

    async def add(self, entry: AuditEntry) -> None:
        row = {name: getattr(entry, name) for name in AuditEntry.__struct_fields__}
        await self._statements.run(insert(A).values(row | {"workspace_id": self._workspace_id}))

    async def list(self, page: PageAsk) -> Page[AuditEntry]:
        found = select(*_COLUMNS).where(A.workspace_id == self._workspace_id)
        rows = await self._statements.all(by_id(found, A.id, page))
        return page_of(rows, page, lambda row: row["id"], _entry)


def _entry(row: RowMapping) -> AuditEntry:
    return AuditEntry(**{**row, "details": msgspec.json.decode(row["details"])})
