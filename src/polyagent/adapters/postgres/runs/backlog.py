"""The queued runs, as the sweep of their queue walks through them."""

from collections.abc import Mapping, Sequence

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.pool import Pool
from polyagent.adapters.postgres.runs.rows import entries_of
from polyagent.adapters.postgres.runs.sql_claims import BACKLOG, DEPTH
from polyagent.domain.queue import Entry


class PostgresBacklog:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        with translated():
            (row,) = await self._pool.fetch(BACKLOG, after, limit)
        return entries_of(row["entries"]), row["next"]

    async def depth(self) -> Mapping[str, int]:
        with translated():
            (row,) = await self._pool.fetch(DEPTH)
        return dict(row.items())
