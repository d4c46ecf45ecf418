"""How PostgreSQL is."""

import asyncio

from polyagent.adapters.postgres.errors import translated
from polyagent.adapters.postgres.migrate import newest
from polyagent.adapters.postgres.pool import Pool
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.health import Component
from polyagent.ports.clock import Clock

LIMIT_S = 2.0

_LOOK = """
    SELECT current_setting('server_version') AS version,
      (SELECT version_num FROM alembic_version) AS revision
"""


class PostgresProbe:
    """Looks through the pool that chat requests take, so that it waits as they do."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def check(self) -> Component:
        began_s = self._clock.monotonic()
        try:
            version, revision = await self._look()
        except PolyAgentError as error:
            return Component(status="down", detail=error.detail)
        latency_ms = round((self._clock.monotonic() - began_s) * 1000, 2)
        current = revision == newest()
        return Component(
            status="ok" if current else "degraded",
            latency_ms=latency_ms,
            detail=None if current else f"Its schema is at {revision}, not {newest()}: migrate it.",
            facts={"version": version, "migration": revision, "current": current},
        )

    async def _look(self) -> tuple[str, str | None]:
        with translated():
            async with asyncio.timeout(LIMIT_S):
                (row,) = await self._pool.fetch(_LOOK)
        return row["version"], row["revision"]
