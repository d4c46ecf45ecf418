"""A hall full of readers, of one run or of many, some of them slow, some gone, some back again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import datetime
from itertools import cycle
from statistics import median
from time import perf_counter
from typing import Any

import aiohttp
import msgspec
import uvloop
from bench.load.job import Spread
from bench.stage import ASK
from bench.subjects.model_service import Pace
from bench.table import Cell

from tests.load.asks import visitors
from tests.load.follower import Follower
from tests.load.ground import Ground, Settings
from tests.load.verdict import KEPT_FILES, SHOWN, spread
from tests.load.watch import LIVE, Seen, watched

OPENING_AT_ONCE = 50
OPENING_PAUSE_S = 0.05
SLOWED = 1.2
ENDED_S = 120.0
SETTLE_S = 3.0
ENDS = ("completed", "failed", "cancelled")

Manner = Callable[[Follower], Coroutine[Any, Any, None]]
MANNERS: tuple[Manner, ...] = (  # one in ten each of the odd ones
    *(Follower.steadily, Follower.steadily, Follower.returning, Follower.steadily),
    *(Follower.slowly, Follower.steadily, Follower.steadily, Follower.vanishing),
    *(Follower.steadily, Follower.steadily),
)


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    readers: int
    runs: int
    gateways: int = 1
    first_ms: float = 5000
    gap_ms: float = 200
    tokens: int = 60

    @property
    def settings(self) -> Settings:
        places = str(self.runs + 8)
        return {
            "limits__concurrent_runs": places,
            "limits__user_runs": places,
            "ai__max_concurrency": places,
            "limits__requests": str(2 * self.readers + 200),
        }

    @property
    def pace(self) -> Pace:
        return Pace(first_ms=self.first_ms, gap_ms=self.gap_ms, tokens=self.tokens)


class Heard(msgspec.Struct, kw_only=True):
    """Times of runs in seconds: `alone_s` of one without readers."""

    hall: Hall
    alone_s: float = 0.0
    runs_s: list[float] = []
    opened_s: float = 0.0
    whole: int = 0
    left: int = 0
    refused: int = 0
    complaints: list[str] = []
    memory_before: float = 0.0
    memory_after: float = 0.0
    files_before: int = 0
    files_most: int = 0
    files_after: int = 0
    cpu_s: float = 0.0
    seen: Seen = msgspec.field(default_factory=Seen)


class Times(msgspec.Struct, frozen=True):
    started_at: datetime
    finished_at: datetime

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()


def heard(ground: Ground, hall: Hall) -> Heard:
    ground.stage.pace(hall.pace)
    return uvloop.run(_heard(ground, hall))


async def _heard(ground: Ground, hall: Hall) -> Heard:
    async with visitors() as http:
        return await Reading(ground, hall, http).run()


class Reading:
    def __init__(self, ground: Ground, hall: Hall, http: aiohttp.ClientSession) -> None:
        self._ground = ground
        self._hall = hall
        self._http = http
        self._headers = {"Authorization": ground.admin}
        self._heard = Heard(hall=hall)
        self._ports = cycle(gateway.port for gateway in ground.gateways)

    async def run(self) -> Heard:
        heard, ground = self._heard, self._ground
        heard.alone_s = await self._lasted_s(await self._begin())
        heard.memory_before, heard.files_before = ground.memory_mb(), ground.open_files()
        cpu_before = ground.cpu_s()
        async with watched(ground, self._http) as heard.seen:
            run_ids = [await self._begin() for _ in range(self._hall.runs)]
            followers = await self._read(run_ids)
        heard.cpu_s = ground.cpu_s() - cpu_before
        heard.runs_s = [await self._lasted_s(run_id) for run_id in run_ids]
        journals = {run_id: await self._journal(run_id) for run_id in run_ids}
        for manner, follower in followers:
            self._judge(manner, follower, journals[follower.run_id])
        await asyncio.sleep(SETTLE_S)
        heard.memory_after, heard.files_after = ground.memory_mb(), ground.open_files()
        return heard

    async def _read(self, run_ids: Sequence[str]) -> list[tuple[Manner, Follower]]:
        """Open all streams, then hear each to its end."""
        began = perf_counter()
        places, whose = cycle(run_ids), self._ground.admin
        made = [Follower(self._ports, whose, next(places)) for _ in range(self._hall.readers)]
        found = list(zip(cycle(MANNERS), made, strict=False))
        async with asyncio.TaskGroup() as group:
            for n, (manner, follower) in enumerate(found):
                group.create_task(manner(follower))
                if n % OPENING_AT_ONCE == 0:
                    await asyncio.sleep(OPENING_PAUSE_S)
            self._heard.opened_s = perf_counter() - began
            self._heard.files_most = self._ground.open_files()
        return found

    def _judge(self, manner: Manner, follower: Follower, journal: list[int]) -> None:
        told, heard = follower.told, self._heard
        heard.refused += told.refused
        if manner is Follower.vanishing:
            heard.left += 1
        elif told.is_whole(journal, heard.hall.tokens):
            heard.whole += 1
        else:
            heard.complaints.append(
                f"{manner.__name__}: {told.status}, {len(told.durable)} of {len(journal)} events, "
                f"last {told.last!r}, {len(told.text)} bytes of text"
            )

    async def _begin(self) -> str:
        return str((await self._json("POST", "/api/v1/runs", ASK))["id"])

    async def _lasted_s(self, run_id: str) -> float:
        """Wait for its end, and return how long its execution took."""
        async with asyncio.timeout(ENDED_S):
            while (run := await self._json("GET", f"/api/v1/runs/{run_id}"))["status"] not in ENDS:
                await asyncio.sleep(0.2)
        return msgspec.convert(run, Times).seconds

    async def _journal(self, run_id: str) -> list[int]:
        page = await self._json("GET", f"/api/v1/runs/{run_id}/events")
        return [event["id"] for event in page["items"]]

    async def _json(self, method: str, path: str, body: Any = None) -> Any:
        url, headers = self._ground.urls[0] + path, {**self._headers, "Accept": "application/json"}
        async with self._http.request(method, url, json=body, headers=headers) as response:
            response.raise_for_status()
            return await response.json()


def broken(heard: Heard) -> Iterator[str]:
    for what, times in Counter(heard.complaints).most_common(SHOWN):
        yield f"{times} readers {what}"
    yield from heard.seen.complaints[:SHOWN]
    if heard.files_after > heard.files_before + KEPT_FILES:
        yield f"descriptors: {heard.files_before} before, {heard.files_after} after"


def slowed(heard: Heard) -> Iterator[str]:
    if (typical_s := median(heard.runs_s)) > SLOWED * heard.alone_s:
        yield f"runs took {typical_s:.1f} s, one alone {heard.alone_s:.1f} s"


def rows(heard: Heard) -> Iterator[tuple[str, Cell]]:
    grown_mb = max(heard.seen.memory_mb) - heard.memory_before
    yield "readers", heard.hall.readers
    yield "runs", heard.hall.runs
    yield "all opened after s", heard.opened_s
    yield "saw everything once, in order", heard.whole
    yield "left on purpose", heard.left
    yield "refused, and came back as told", heard.refused
    yield "anything else", len(heard.complaints)
    yield "a run without readers, s", heard.alone_s
    yield "with them p50, p99 s", spread(Spread.of(heard.runs_s))
    yield "gateway CPU s", heard.cpu_s
    yield "kB a reader", grown_mb * 1024 / heard.hall.readers
    yield "MB before, after", f"{heard.memory_before:.0f} / {heard.memory_after:.0f}"
    files = (heard.files_before, heard.files_most, heard.files_after)
    yield "descriptors before, most, after", " / ".join(map(str, files))
    yield f"{LIVE} p50, p99 ms", spread(heard.seen.spread(LIVE), 1000)
