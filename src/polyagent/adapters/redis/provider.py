"""Redis or Valkey."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dishka import Provider, Scope, provide
from redis.asyncio import Redis as RedisClient

from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.redis.failures import RedisLoginFailures
from polyagent.adapters.redis.limits.places import RedisPlaces
from polyagent.adapters.redis.limits.rates import RedisRates
from polyagent.adapters.redis.live.events import RedisEvents
from polyagent.adapters.redis.probe import RedisProbe
from polyagent.adapters.redis.queue.queue import BLOCK_S, RedisQueue
from polyagent.adapters.redis.tickets import RedisTickets
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events, LiveLogs
from polyagent.ports.failures import LoginFailures
from polyagent.ports.limits import Places, Rates
from polyagent.ports.queue import Queue, TaskQueue
from polyagent.ports.runs import Runs
from polyagent.ports.signals import Signals
from polyagent.ports.tickets import Tickets
from polyagent.settings import Limits, Redis


class RedisProvider(Provider):
    scope = Scope.APP

    @provide
    async def client(self, settings: Redis) -> AsyncIterator[RedisClient]:
        client = redis_client(settings)
        yield client
        await client.aclose()

    @provide
    async def queue(self, client: RedisClient, settings: Redis) -> AsyncIterator[Queue]:
        async with _queue(client, settings, "runs") as queue:
            yield queue

    @provide
    async def tasks(self, client: RedisClient, settings: Redis) -> AsyncIterator[TaskQueue]:
        async with _queue(client, settings, "tasks") as queue:
            yield queue

    @provide
    def probe(self, client: RedisClient, clock: Clock) -> RedisProbe:
        return RedisProbe(client, clock)

    @provide
    def login_failures(self, client: RedisClient, clock: Clock) -> LoginFailures:
        return RedisLoginFailures(client, clock)

    @provide
    async def rates(
        self, client: RedisClient, clock: Clock, settings: Redis
    ) -> AsyncIterator[Rates]:
        rates = RedisRates(client, clock, timeout_s=settings.timeout_s)
        yield rates
        await rates.aclose()

    @provide
    async def places(
        self, client: RedisClient, clock: Clock, settings: Redis
    ) -> AsyncIterator[Places]:
        places = RedisPlaces(client, clock, timeout_s=settings.timeout_s)
        yield places
        await places.aclose()

    @provide
    def tickets(self, client: RedisClient) -> Tickets:
        return RedisTickets(client)


class RedisEventsProvider(Provider):
    """Live events that reach every process."""

    scope = Scope.APP

    @provide
    async def live(
        self,
        client: RedisClient,
        logs: LiveLogs,
        runs: Runs,
        clock: Clock,
        limits: Limits,
        settings: Redis,
    ) -> AsyncIterator[RedisEvents]:
        events = RedisEvents(
            client,
            logs,
            runs,
            clock,
            live_log_s=limits.live_log_s,
            timeout_s=settings.timeout_s,
        )
        async with events.running():
            yield events

    @provide
    def events(self, live: RedisEvents) -> Events:
        return live

    @provide
    def signals(self, live: RedisEvents) -> Signals:
        return live


@asynccontextmanager
async def _queue(client: RedisClient, settings: Redis, name: str) -> AsyncIterator[RedisQueue]:
    async with redis_client(settings, block_s=BLOCK_S) as blocking:
        queue = RedisQueue(client, blocking, name)
        yield queue
        await queue.close()
