"""Loops that go on whatever happens, until they are told to end."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from polyagent.domain.errors import Unavailable

AGAIN_S = 0.5

log = structlog.get_logger("polyagent.worker")


async def every(pause_s: float, closing: asyncio.Event, job: Callable[[], Awaitable[None]]) -> None:
    """Do a job again and again, `pause_s` apart, until `closing` is set."""
    while not closing.is_set():
        try:
            await job()
        except Unavailable as error:
            log.debug("worker.claim_failed", error=error.detail)
            await waited(closing, AGAIN_S)
        except Exception:
            log.exception("worker.claim_died")
            await waited(closing, AGAIN_S)
        await waited(closing, pause_s)


async def waited(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but no longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
