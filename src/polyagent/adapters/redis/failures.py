"""Failed logins in Redis, for all processes; in this one's memory while Redis is away."""

from contextlib import suppress

from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from polyagent.domain.throttle import FORGET_S, TRUST_S, FailureCounts, Failures
from polyagent.ports.clock import Clock

PREFIX = "failures:"
TRUSTED = "trusted:"
FORGET_MS = int(FORGET_S * 1000)

AWAY = (RedisError, OSError, TimeoutError)


class RedisLoginFailures:
    """A count that lives for `FORGET_S` after the last failure: its age follows from what is left."""

    def __init__(self, client: RedisClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._here = FailureCounts()

    async def of(self, who: str) -> Failures:
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.get(PREFIX + who)
                pipe.pttl(PREFIX + who)
                count, left_ms = await pipe.execute()
        except AWAY:
            return self._here.of(who, self._clock.monotonic())
        return Failures() if count is None else Failures(int(count), FORGET_S - left_ms / 1000)

    async def add(self, who: str) -> None:
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.incr(PREFIX + who)
                pipe.pexpire(PREFIX + who, FORGET_MS)
                await pipe.execute()
        except AWAY:
            self._here.add(who, self._clock.monotonic())

    async def clear(self, who: str) -> None:
        self._here.clear(who)
        try:
            await self._client.delete(PREFIX + who)
        except AWAY:
            return

    async def trust(self, whence: str) -> None:
        with suppress(*AWAY):
            await self._client.set(TRUSTED + whence, 1, ex=TRUST_S)

    async def trusts(self, whence: str) -> bool:
        try:
            return await self._client.exists(TRUSTED + whence) == 1
        except AWAY:
            return False
