"""Tickets in Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from polyagent.domain.errors import Unavailable
from polyagent.domain.ticket import Grant

PREFIX = "ticket:"


class RedisTickets:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def put(self, digest: str, grant: Grant, *, ttl_s: int) -> None:
        with _translated():
            await self._client.set(PREFIX + digest, msgspec.json.encode(grant), ex=ttl_s)

    async def take(self, digest: str) -> Grant | None:
        with _translated():
            found = await self._client.getdel(PREFIX + digest)
        return None if found is None else msgspec.json.decode(found, type=Grant)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("Tickets are away: send a header instead, or try again.") from error
