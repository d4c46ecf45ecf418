"""`polyagent selftest`: on the engines that are configured, in places of its own there, or on its own."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from polyagent.adapters.engines.endpoints import Endpoints
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.selftest import SelftestOptions, SelftestReport
from polyagent.settings import Database, Redis, Settings

Say = Callable[[str], None]


async def selftest(settings: Settings, options: SelftestOptions, say: Say) -> SelftestReport:
    """Hold the drill and leave nothing behind. A signal cuts it short: `CancelledError` after clearing up."""
    from polyagent.adapters.engines.held import held
    from polyagent.adapters.engines.reports import Wanted
    from polyagent.adapters.engines.throwaway import throwaway_directory
    from polyagent.adapters.selftest.selftest import report
    from polyagent.adapters.selftest.selftest import selftest as hold

    began = time.monotonic()
    async with AsyncExitStack() as stack:
        place = stack.enter_context(throwaway_directory())
        _stop_on_signals()
        database = await stack.enter_async_context(_database(settings.database, say))
        redis = await stack.enter_async_context(_redis(settings.redis, say))
        wanted = Wanted(data_dir=str(place), postgres=database is None, valkey=redis is None)
        running = await stack.enter_async_context(held(wanted, say=say, warn=say))
        urls = _urls(database, redis, running.endpoints)
        environment = _environment({**urls, "POLYAGENT_DATA_DIR": str(place)})
        evidence = await hold(running, environment, place, options, say)
        say("Stopping, and clearing everything away")
    ground = _ground(running.versions, database, redis)
    return report(evidence, options, ground, began=began)


def _urls(database: Database | None, redis: Redis | None, own: Endpoints) -> dict[str, str | None]:
    return {
        "DATABASE_URL": database.url if database else own.database_url,
        "DATABASE_DIRECT_URL": database.direct_url if database else None,
        "REDIS_URL": redis.url if redis else own.redis_url,
    }


def _ground(
    versions: Mapping[str, str], database: Database | None, redis: Redis | None
) -> Iterator[str]:
    yield from (f"{name} {version} (thrown away)" for name, version in versions.items())
    if database is not None:
        yield "a database of its own in your PostgreSQL"
    if redis is not None:
        yield "a numbered database of its own in your Redis"


def _stop_on_signals() -> None:
    """Cancel this task at the first signal; later ones wait until it has cleared up."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def stop() -> None:
        if task is not None and not task.cancelling():
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to outlive the terminal
        loop.add_signal_handler(signal.SIGHUP, stop)


def _environment(ours: Mapping[str, str | None]) -> dict[str, str]:
    """Return our environment without what configures a server of the user's, and with `ours`."""
    from polyagent.configuration.sources import NAMED, PREFIX

    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in NAMED and not name.startswith(PREFIX)
    }
    return kept | {name: value for name, value in ours.items() if value is not None}


@asynccontextmanager
async def _database(settings: Database, say: Say) -> AsyncIterator[Database | None]:
    """Give a database of our own in the user's PostgreSQL, or None where there is none to have."""
    from polyagent.adapters.postgres.scratch import create_scratch, drop_scratch

    scratch = None
    if settings.url is not None:
        try:
            scratch = await create_scratch(settings)
        except PolyAgentError as error:
            say(f"DATABASE_URL is left alone: {error.detail} An own PostgreSQL is used.")
    try:
        yield scratch
    finally:
        if scratch is not None:
            await drop_scratch(settings, scratch)


@asynccontextmanager
async def _redis(settings: Redis, say: Say) -> AsyncIterator[Redis | None]:
    """Give a numbered database of our own in the user's Redis, or None where there is none to have."""
    from polyagent.adapters.redis.scratch import empty_scratch, take_scratch

    scratch = None
    if settings.url is not None:
        try:
            scratch = await take_scratch(settings)
        except PolyAgentError as error:
            say(f"REDIS_URL is left alone: {error.detail} An own Valkey is used.")
    try:
        yield scratch
    finally:
        if scratch is not None:
            await empty_scratch(scratch)
