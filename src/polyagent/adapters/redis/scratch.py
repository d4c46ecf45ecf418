"""A numbered database of Redis that nobody uses, taken and emptied again."""

from urllib.parse import parse_qsl, urlencode

import msgspec
from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from polyagent.adapters.redis.client import redis_client
from polyagent.domain.errors import Unavailable
from polyagent.settings import Redis

NUMBERS = range(15, 0, -1)
MARK = "polyagent:selftest"
MARK_S = 3600


async def take_scratch(settings: Redis) -> Redis:
    """Mark an empty database that no client has selected, and return the settings that lead to it.

    Raises `Unavailable` if there is none, which is so in a Redis Cluster, or if Redis does not tell.
    """
    client = redis_client(settings)
    try:
        used = {int(known["db"]) for known in await client.client_list()}
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not say who uses it ({type(error).__name__}).") from error
    finally:
        await client.aclose()
    for number in NUMBERS:
        scratch = msgspec.structs.replace(settings, url=_numbered(settings.url or "", number))
        if number not in used and await _is_taken(scratch):
            return scratch
    raise Unavailable("Redis has no free numbered database.")


async def empty_scratch(scratch: Redis) -> None:
    """Raises `Unavailable`; what is left then is at `scratch.url`."""
    client = redis_client(scratch)
    try:
        if await client.exists(MARK):
            await client.flushdb()
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(
            "Redis is away: a numbered database with polyagent:selftest is left."
        ) from error
    finally:
        await client.aclose()


async def _is_taken(scratch: Redis) -> bool:
    """Mark the database if it is empty; say whether it is ours then."""
    client = redis_client(scratch)
    try:
        return await client.dbsize() == 0 and await _is_marked(client)
    except RedisError:
        return False
    finally:
        await client.aclose()


async def _is_marked(client: RedisClient) -> bool:
    return bool(await client.set(MARK, 1, nx=True, ex=MARK_S))


def _numbered(url: str, number: int) -> str:
    """The path of redis://host/0 is the number; that of unix:///path/to.sock is not."""
    address, _, query = url.partition("?")
    scheme, _, rest = address.partition("://")
    options = dict(parse_qsl(query)) | {"db": str(number)}
    if scheme != "unix":
        address = f"{scheme}://{rest.partition('/')[0]}/{options.pop('db')}"
    return f"{address}?{urlencode(options)}" if options else address
