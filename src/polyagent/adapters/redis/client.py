"""A client of Redis or Valkey that fails fast rather than late."""

from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as RedisClient
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from polyagent.domain.errors import Invalid
from polyagent.settings import Redis


def redis_client(settings: Redis) -> RedisClient:
    """Return a client that connects when it is first used. Close it with its pool: `aclose`.

    `url` is redis://, rediss:// or unix:///path/to.sock. Raises `Invalid` if it is none of them.
    """
    if settings.url is None:
        raise Invalid("REDIS_URL is not set.")
    try:
        pool = BlockingConnectionPool.from_url(
            settings.url,
            max_connections=settings.pool_size,
            timeout=settings.timeout_s,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            retry=Retry(NoBackoff(), settings.max_retries),
            client_name="polyagent",
        )
    except ValueError as error:
        raise Invalid(f"REDIS_URL: {error}") from error
    return RedisClient.from_pool(pool)
