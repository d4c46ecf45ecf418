"""What keeps us from working well on a Redis or a Valkey."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

from redis.asyncio import Redis as RedisClient
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from polyagent.adapters.redis.client import redis_client
from polyagent.configuration.wording import masked
from polyagent.domain.errors import Invalid
from polyagent.domain.finding import Finding, ok, problem, warning
from polyagent.ports.clock import Clock
from polyagent.settings import Redis

OLDEST = (7,)
FULL = 0.9
KEY = "polyagent:doctor"
MARK_MS = 1000


async def checkup(settings: Redis, clock: Clock) -> AsyncGenerator[Finding, None]:
    """Find what is wrong with `settings.url`; a key that lives for a second is written. Never raises."""
    try:
        client = redis_client(settings)
    except Invalid as error:
        yield problem("redis", error.detail)
        return
    try:
        async for finding in _examined(client, settings, clock):
            yield finding
    except (RedisError, OSError, TimeoutError) as error:
        yield _refused(masked("redis.url", settings.url), error)
    finally:
        await client.aclose()


async def _examined(
    client: RedisClient, settings: Redis, clock: Clock
) -> AsyncGenerator[Finding, None]:
    await client.ping()  # the first command pays for the connection
    began_s = clock.monotonic()
    told: dict[str, Any] = await client.info("server")
    took_ms = (clock.monotonic() - began_s) * 1000
    name, version = _version(told)
    where = masked("redis.url", settings.url)
    yield ok("redis", f"{name} {version} at {where}, {took_ms:.1f} ms")
    for finding in _server(told, await client.info("replication"), name, version):
        yield finding
    yield _memory(await client.info("memory"))
    yield await _write(client)


def _version(told: dict[str, Any]) -> tuple[str, str]:
    """Valkey tells a Redis version too, for old clients."""
    if "valkey_version" in told:
        return "Valkey", str(told["valkey_version"])
    return "Redis", str(told.get("redis_version", "of no known version"))


def _server(
    told: dict[str, Any], replication: dict[str, Any], name: str, version: str
) -> Iterator[Finding]:
    mode = told.get("server_mode", told.get("redis_mode"))
    if mode in ("cluster", "sentinel"):
        advice = "name a server that stands alone, or the primary of a group, in REDIS_URL"
        yield problem("redis", f"it is a {mode}, which this version does not speak to", advice)
    if replication.get("role") == "slave":
        yield problem("redis", "it is a replica: it takes no writes", "name the primary")
    if name == "Redis" and _numbers(version) < OLDEST:
        yield warning("redis", "it is older than Redis 7", "upgrade it: nobody tries ours there")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _memory(told: dict[str, Any]) -> Finding:
    policy, most = told.get("maxmemory_policy", "unknown"), int(told.get("maxmemory", 0))
    used = int(told.get("used_memory", 0))
    text = f"maxmemory-policy is {policy}, {used / 2**20:.0f} MB used"
    if str(policy).startswith("allkeys"):
        advice = "CONFIG SET maxmemory-policy volatile-ttl: else what waits in the queue is evicted"
        return warning("redis", text, advice)
    if most and used > FULL * most:
        text = f"{text} of {most / 2**20:.0f} MB"
        return warning("redis", text, "raise maxmemory: what has no room is read from PostgreSQL")
    return ok("redis", text)


async def _write(client: RedisClient) -> Finding:
    try:
        await client.set(KEY, "1", px=MARK_MS)
    except ResponseError as error:
        return problem("redis", f"it refuses to write: {error}", "let our user write every key")
    return ok("redis", "it takes writes")


def _refused(where: str, error: Exception) -> Finding:
    """Tell a server that does not let us in; while it connects, redis-py wraps what it says."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error.__cause__ or error, AuthenticationError):
        return problem("redis", f"{where} refuses us: {said}", "check the password in REDIS_URL")
    if isinstance(error, ResponseError):
        return problem("redis", f"{where} refuses us: {said}")
    return problem("redis", f"no answer at {where}: {said}", "start it, or check REDIS_URL")
