"""Clients that say nothing, next to nothing, or what makes no sense, by the hundred."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from time import perf_counter
from typing import cast

import aiohttp
import msgspec
import uvloop
from bench.load.job import Spread
from bench.table import Cell

from tests.load.asks import visitors
from tests.load.ground import Ground, Settings
from tests.load.verdict import KEPT_FILES, SHOWN, spread
from tests.load.watch import ADMIN, LIVE, Seen, watched

SETTINGS: Settings = {"server__read_timeout": "5"}
AT_ONCE = 100
OPENING_PAUSE_S = 0.02
DRIP_S = 1.0
FREED_S = 60.0
SETTLE_S = 2.0

HOST = b"Host: localhost\r\n"
GET = b"GET /health/live HTTP/1.1\r\n" + HOST
POST = b"POST /api/v1/runs HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST
LONG = POST + b"Content-Length: 1000\r\n"
HALF = b'{"message": "'


class Sloth(msgspec.Struct, frozen=True, kw_only=True):
    """Sends `first` at once and `drips` forever after, a byte a second; `AUTH` is replaced."""

    name: str
    first: bytes
    drips: bytes = b""
    share: float = 1.0


SLOTHS = (
    Sloth(name="says nothing", first=b""),
    Sloth(name="half a request line", first=b"GET /hea"),
    Sloth(name="headers, 1 byte/s", first=GET, drips=b"X: y\r\n"),
    Sloth(name="keeps its connection", first=GET + b"\r\n"),
    Sloth(name="a body, 1 byte/s", first=LONG + b"AUTH\r\n" + HALF, drips=b"x"),
    Sloth(name="a body that never comes", first=LONG + b"AUTH\r\n"),
    Sloth(
        name="chunks, 1 byte/s",
        first=POST + b"AUTH" + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + HALF,
        drips=b"x",
    ),
    Sloth(name="a target of 100 kB", first=b"GET /" + b"x" * 100_000, share=0.2),
    Sloth(name="10,000 headers", first=GET + b"X: y\r\n" * 10_000 + b"\r\n", share=0.2),
    Sloth(name="longer than announced", first=POST + b"AUTHContent-Length: 2\r\n\r\n{}GARBAGE"),
    Sloth(
        name="length and chunks", first=LONG + b"AUTHTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
)


class Slow(msgspec.Struct, kw_only=True):
    """`freed_s`: how long the server kept each connection."""

    sloth: Sloth
    count: int
    freed_s: list[float] = []
    statuses: Counter[str] = msgspec.field(default_factory=Counter)
    most_files: int = 0
    seen: Seen = msgspec.field(default_factory=Seen)
    files_before: int = 0
    files_after: int = 0
    memory_mb: float = 0.0


class Connection(asyncio.Protocol):
    def __init__(self, first: bytes) -> None:
        self.began = perf_counter()
        self.freed_s: float | None = None
        self.status = b""
        self.gone = asyncio.get_running_loop().create_future()
        self._first = first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._first)

    def data_received(self, data: bytes) -> None:
        self.status = self.status or data[9:12]

    def connection_lost(self, _: Exception | None) -> None:
        self.freed_s = perf_counter() - self.began
        if not self.gone.done():
            self.gone.set_result(None)


def tried(ground: Ground, sloth: Sloth, most: int) -> Slow:
    return uvloop.run(_tried(ground, Slow(sloth=sloth, count=int(most * sloth.share))))


async def _tried(ground: Ground, slow: Slow) -> Slow:
    slow.files_before = ground.open_files()
    async with visitors() as http:
        await _warm(http, ground)
        async with watched(ground, http) as slow.seen:
            opened = await _opened(ground, slow)
            slow.most_files = ground.open_files()
            await _dripped(slow.sloth, opened)
    await asyncio.sleep(SETTLE_S)
    slow.freed_s = [each.freed_s for each in opened if each.freed_s is not None]
    slow.statuses = Counter(each.status.decode() or "-" for each in opened)
    slow.files_after, slow.memory_mb = ground.open_files(), ground.memory_mb()
    for each in opened:
        each.transport.abort()
    return slow


async def _warm(http: aiohttp.ClientSession, ground: Ground) -> None:
    for url in ground.urls:
        for path in ADMIN:
            async with http.get(url + path, headers={"Authorization": ground.admin}) as response:
                await response.read()


async def _opened(ground: Ground, slow: Slow) -> list[Connection]:
    loop, ports = asyncio.get_running_loop(), cycle(gateway.port for gateway in ground.gateways)
    header = f"Authorization: {ground.admin}\r\n".encode()
    first = slow.sloth.first.replace(b"AUTH", header, 1)
    opened = []
    for n in range(slow.count):
        made = loop.create_connection(lambda: Connection(first), "127.0.0.1", next(ports))
        opened.append((await made)[1])
        if n % AT_ONCE == 0:
            await asyncio.sleep(OPENING_PAUSE_S)
    return opened


async def _dripped(sloth: Sloth, opened: list[Connection]) -> None:
    """Go on, until the server has closed all of them or has had its time."""
    drips = cycle(sloth.drips)
    until = perf_counter() + FREED_S
    while perf_counter() < until and (held := [each for each in opened if not each.gone.done()]):
        if sloth.drips:
            drip = bytes((next(drips),))
            for each in held:
                each.transport.write(drip)
        await asyncio.wait([each.gone for each in held], timeout=DRIP_S)


def broken(slow: Slow) -> Iterator[str]:
    if kept := slow.count - len(slow.freed_s):
        yield f"{kept} connections were kept for {FREED_S:.0f} s"
    if wrong := [status for status in slow.statuses if status.startswith("5")]:
        yield f"answered with {wrong}"
    yield from slow.seen.complaints[:SHOWN]
    if slow.files_after > slow.files_before + KEPT_FILES:
        yield f"descriptors: {slow.files_before} before, {slow.files_after} after"


COLUMNS = (
    *("client", "of them", "answers", "kept p50, p99 s", f"{LIVE} p50, p99 ms"),
    *("a read p50, p99 ms", "descriptors before, most, after", "MB"),
)


def row(slow: Slow) -> tuple[Cell, ...]:
    return (
        slow.sloth.name,
        slow.count,
        ", ".join(f"{n} x {status}" for status, n in slow.statuses.most_common()),
        spread(Spread.of(slow.freed_s)),
        spread(slow.seen.spread(LIVE), 1000),
        spread(slow.seen.spread(ADMIN[1]), 1000),
        f"{slow.files_before} / {slow.most_files} / {slow.files_after}",
        slow.memory_mb,
    )
