"""What an operator sees meanwhile: health, an administrator's reads, memory."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import aiohttp
import msgspec
from bench.load.job import Spread

from tests.load.ground import Ground

PAUSE_S = 0.1
LOOKS_S = 0.5
LIVE = "/health/live"
PUBLIC = (LIVE, "/health")
ADMIN = ("/api/v1/users?limit=5", "/api/v1/runs?limit=5")


class Seen(msgspec.Struct):
    """Seconds of each answer by its path, what was wrong, and PSS of the gateways over time."""

    times_s: defaultdict[str, list[float]] = msgspec.field(
        default_factory=lambda: defaultdict(list)
    )
    complaints: list[str] = []
    memory_mb: list[float] = []

    def spread(self, path: str) -> Spread:
        return Spread.of(self.times_s[path])


@asynccontextmanager
async def watched(ground: Ground, http: aiohttp.ClientSession) -> AsyncIterator[Seen]:
    """Ask every gateway for all of it, again and again, while the block lasts."""
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_look(ground, seen))]
        for url in ground.urls:
            for path in (*PUBLIC, *ADMIN):
                headers = {"Authorization": ground.admin} if path in ADMIN else {}
                tasks.append(group.create_task(_ask(http, url, path, headers, seen)))
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()


async def _ask(
    http: aiohttp.ClientSession, url: str, path: str, headers: dict[str, str], seen: Seen
) -> None:
    while True:
        began = perf_counter()
        try:
            async with http.get(url + path, headers=headers) as response:
                await response.read()
        except (aiohttp.ClientError, OSError) as error:
            seen.complaints.append(f"{path}: {type(error).__name__} {error}")
        else:
            if response.status != 200:
                seen.complaints.append(f"{path}: {response.status}")
            seen.times_s[path].append(perf_counter() - began)
        await asyncio.sleep(PAUSE_S)


async def _look(ground: Ground, seen: Seen) -> None:
    while True:
        seen.memory_mb.append(await asyncio.to_thread(ground.memory_mb))
        await asyncio.sleep(LOOKS_S)
