"""A client of Redis or Valkey that fails fast rather than late."""

from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as RedisClient
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from polyagent.domain.errors import Invalid
from polyagent.settings import Redis


def redis_client(settings: Redis, *, block_s: float = 0.0) -> RedisClient:
    """Return a client that connects when it is first used. Close it with its pool: `aclose`.

    Its commands may block for `block_s`; one that does is not tried again when its answer is lost.
    `url` is redis://, rediss:// or unix:///path/to.sock. Raises `Invalid` if it is none of them.
    """
    if settings.url is None:
        raise Invalid("REDIS_URL is not set.")
    try:
        pool = BlockingConnectionPool.from_url(
            settings.url,
            max_connections=settings.pool_size,
            timeout=settings.timeout_s,
            socket_timeout=settings.timeout_s + block_s,
            socket_connect_timeout=settings.timeout_s,
            retry=Retry(NoBackoff(), 0 if block_s else settings.max_retries),
            client_name="polyagent",
        )
    except ValueError as error:
        raise Invalid(f"REDIS_URL: {error}") from error
    return RedisClient.from_pool(pool)
