"""What the database says of the runs."""

import asyncio
from collections.abc import Collection
from time import time
from uuid import UUID

import asyncpg

ENDED_BETWEEN = """
SELECT count(*) FROM polyagent.runs
WHERE status = 'completed' AND finished_at > to_timestamp($1) AND finished_at <= to_timestamp($2)
"""
UNFINISHED = "SELECT count(*) FROM polyagent.runs WHERE status IN ('queued', 'running')"
NOT_COMPLETED = """
SELECT count(*) FROM unnest($1::uuid[]) AS asked (id)
LEFT JOIN polyagent.runs USING (id) WHERE runs.status IS DISTINCT FROM 'completed'
"""
POLL_S = 0.25


class Database:
    def __init__(self, url: str) -> None:
        self._url = url

    async def completed_a_second(self, began: float, ended: float) -> float:
        """Between two instants of the wall clock, which is the database's own here."""
        return int(await self._number(ENDED_BETWEEN, began, ended)) / (ended - began)

    async def unfinished(self) -> int:
        return await self._number(UNFINISHED)

    async def drained_s(self, limit_s: float) -> float | None:
        """Wait until nothing is queued or running, and return how long that took; None: longer."""
        began = time()
        while await self.unfinished():
            if time() - began > limit_s:
                return None
            await asyncio.sleep(POLL_S)
        return time() - began

    async def not_completed(self, run_ids: Collection[str]) -> int:
        return await self._number(NOT_COMPLETED, [UUID(run_id) for run_id in run_ids])

    async def _number(self, statement: str, *arguments: object) -> int:
        connection = await asyncpg.connect(self._url)
        try:
            return int(await connection.fetchval(statement, *arguments))
        finally:
            await connection.close()
