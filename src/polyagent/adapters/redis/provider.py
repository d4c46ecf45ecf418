"""Redis or Valkey."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.probe import RedisProbe
from polyagent.ports.clock import Clock
from polyagent.settings import Redis


class RedisProvider(Provider):
    scope = Scope.APP

    @provide
    async def client(self, settings: Redis) -> AsyncIterator[RedisClient]:
        client = redis_client(settings)
        yield client
        await client.aclose()

    @provide
    def probe(self, client: RedisClient, clock: Clock) -> RedisProbe:
        return RedisProbe(client, clock)
