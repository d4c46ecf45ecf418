"""Running SQLAlchemy's statements in a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from polyagent.adapters.postgres.errors import translated


class Statements:
    """The statements of one transaction. What goes wrong is raised as domain errors, where it does."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, statement: Executable) -> None:
        with translated():
            await self._connection.execute(statement)

    async def first(self, statement: Executable) -> RowMapping | None:
        with translated():
            return (await self._connection.execute(statement)).mappings().first()

    async def all(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[RowMapping]:
        with translated():
            return (await self._connection.execute(statement, parameters)).mappings().all()
