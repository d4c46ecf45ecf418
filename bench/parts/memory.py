"""What an open stream holds in memory: readers of runs whose model has not said a word yet."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Literal

import httpx
import msgspec

from bench import machine
from bench.load.generator import request
from bench.load.job import Holding
from bench.stage import ASK, Server, Stage
from bench.subjects.model_service import Pace
from bench.table import say, show

RUNS = 16
SILENT = Pace(first_ms=600_000)
COLUMNS = ("stream", "open", "gateway before, MB", "gateway with them, MB", "kB a stream")

Transport = Literal["sse", "ws"]


def run(here: Stage) -> None:
    here.pace(SILENT)
    count = 200 if here.quick else 2000
    transports: tuple[Transport, ...] = ("sse", "ws")
    rows = [_row(here, transport, count) for transport in transports]
    title = "Memory of open streams: PSS of the gateway's processes"
    show(title, COLUMNS, [row for row in rows if row])


def _row(here: Stage, transport: Transport, count: int) -> tuple[str | float, ...] | None:
    with here.gateway() as gateway, here.client(gateway) as client:
        if transport == "ws" and not _has_sockets(client):
            say("There is no WebSocket at /ws in this version.")
            return None
        runs = [client.post("/api/v1/runs", json=ASK).json()["id"] for _ in range(RUNS)]
        try:
            before = machine.pss_bytes(gateway.pid)
            with _held(here, _holding(here, gateway, transport, runs, count)):
                after = machine.pss_bytes(gateway.pid)
        finally:
            for run_id in runs:
                client.post(f"/api/v1/runs/{run_id}/cancel").raise_for_status()
    return (transport, count, before / 2**20, after / 2**20, (after - before) / count / 1024)


def _has_sockets(client: httpx.Client) -> bool:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    return client.get("/ws", headers={**upgrade, **key}).status_code == 101


def _holding(
    here: Stage, gateway: Server, transport: Transport, runs: list[str], count: int
) -> Holding:
    paths = ["/ws"] if transport == "ws" else [f"/api/v1/runs/{run_id}/events" for run_id in runs]
    watch = [{"type": "watch", "run_id": run_id} for run_id in runs] if transport == "ws" else []
    return Holding(
        port=gateway.port,
        transport=transport,
        requests=tuple(request("GET", path, Authorization=here.authorization) for path in paths),
        frames=tuple(msgspec.json.encode(frame).decode() for frame in watch),
        count=count,
    )


@contextmanager
def _held(here: Stage, holding: Holding) -> Iterator[None]:
    """Keep the streams open inside."""
    told = msgspec.json.encode(holding) + b"\n"
    with machine.on(here.other_cores):
        holder = subprocess.Popen(
            [sys.executable, "-m", "bench.load.holding"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    with holder, _pipe(holder.stdin) as orders, _pipe(holder.stdout) as answers:
        orders.write(told)
        orders.flush()
        if not answers.readline():
            raise RuntimeError(f"not all of {holding.count} streams came to be open")
        yield


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise TypeError("this end is no pipe")
    return end
