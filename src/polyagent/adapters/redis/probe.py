"""How Redis is."""

import asyncio
from typing import Any

from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from polyagent.domain.health import Component
from polyagent.ports.clock import Clock

LIMIT_S = 2.0


class RedisProbe:
    def __init__(self, client: RedisClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def check(self) -> Component:
        began_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(LIMIT_S):
                server = await self._client.info("server")
        except (RedisError, OSError, TimeoutError) as error:
            why = type(error).__name__
            return Component(status="down", detail=f"No answer ({why}): check REDIS_URL.")
        latency_ms = round((self._clock.monotonic() - began_s) * 1000, 2)
        return Component(status="ok", latency_ms=latency_ms, facts=_facts(server))


def _facts(server: dict[str, Any]) -> dict[str, str]:
    """Valkey tells a Redis version too, for old clients."""
    if "valkey_version" in server:
        return {"server": "valkey", "version": str(server["valkey_version"])}
    return {"server": "redis", "version": str(server.get("redis_version", "unknown"))}
