"""Users of other issuers, in PostgreSQL."""

from uuid import UUID

from sqlalchemy import insert, select

from polyagent.adapters.postgres.access.tables import IdentityRow as R
from polyagent.adapters.postgres.statements import Statements
from polyagent.domain.account import Actor


class PostgresIdentities:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._workspace_id = actor.workspace_id

    async def find(self, issuer: str, subject: str) -> UUID | None:
        which = (R.workspace_id == self._workspace_id, R.issuer == issuer, R.subject == subject)
        row = await self._statements.first(select(R.user_id).where(*which))
        return None if row is None else row["user_id"]

    async def add(self, issuer: str, subject: str, user_id: UUID) -> None:
        row = {"workspace_id": self._workspace_id, "issuer": issuer, "subject": subject}
        await self._statements.run(insert(R).values(row | {"user_id": user_id}))
