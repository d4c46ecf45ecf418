"""The processes of a drill: gateways and workers that are killed and started anew."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Protocol

import httpx

from polyagent.domain.selftest import SelftestBroken

GATEWAYS = 2
WORKERS = 1
READY_S = 60.0
LOOK_S = 0.05
# A process judges others once its own connection to Postgres is older than a lease of 4 s.
SEASONED_S = 5.0


class Launcher(Protocol):
    def launch(
        self, argv: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Start a process as the head of a group of its own."""

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL the group and wait."""


class Server:
    """One place in the drill, taken by one process after another. `url` None: a worker."""

    def __init__(self, name: str, words: Sequence[str], url: str | None = None) -> None:
        self.name = name
        self.url = url
        self.argv = (sys.executable, "-m", "polyagent", *words)
        self.process: subprocess.Popen[bytes] | None = None
        self.ready_at: float | None = None

    @property
    def is_ready(self) -> bool:
        return self.ready_at is not None

    @property
    def is_seasoned(self) -> bool:
        return self.ready_at is not None and time.monotonic() - self.ready_at > SEASONED_S


class Servers:
    def __init__(self, launcher: Launcher, environment: Mapping[str, str], logs: Path) -> None:
        self._launcher = launcher
        self._environment = environment
        self._logs = logs
        self.gateways = [_gateway(n) for n in range(1, GATEWAYS + 1)]
        self.workers = [Server(f"worker {n}", ("worker",)) for n in range(1, WORKERS + 1)]

    @property
    def all(self) -> list[Server]:
        return [*self.gateways, *self.workers]

    def pick(self, chance: Random) -> str:
        """Return the address of a gateway, of one that answers if there is one."""
        ready = [gateway for gateway in self.gateways if gateway.is_ready]
        return str(chance.choice(ready or self.gateways).url)

    async def prepare(self) -> None:
        """Migrate the database and make the first user."""
        preparing = Server("prepare", ("prepare",))
        process = self._launch(preparing)
        try:
            if await asyncio.to_thread(process.wait):
                raise self._broken(preparing)
        finally:
            self._launcher.kill(process)

    async def start(self, server: Server, http: httpx.AsyncClient) -> None:
        """Start it and wait until it answers; a worker has no door to knock at."""
        process = self._launch(server)
        until = time.monotonic() + READY_S
        while not (server.url is None or await _answers(server.url, http)):
            if process.poll() is not None or time.monotonic() > until:
                raise self._broken(server)
            await asyncio.sleep(LOOK_S)
        server.ready_at = time.monotonic()

    def kill(self, server: Server) -> None:
        server.ready_at = None
        if server.process is not None:
            self._launcher.kill(server.process)

    def kill_all(self) -> None:
        for server in self.all:
            self.kill(server)

    def _launch(self, server: Server) -> subprocess.Popen[bytes]:
        process = self._launcher.launch(server.argv, self._environment, self._log(server))
        server.process = process
        return process

    def _log(self, server: Server) -> Path:
        return self._logs / f"{server.name.replace(' ', '-')}.log"

    def _broken(self, server: Server) -> SelftestBroken:
        said = self._log(server).read_text(errors="replace").strip().splitlines()
        return SelftestBroken(f"{server.name} did not start: {said[-1] if said else 'no word'}")


def _gateway(number: int) -> Server:
    port = free_port()
    listen = ("--host", "127.0.0.1", "--port", str(port))
    return Server(f"gateway {number}", ("serve", *listen), f"http://127.0.0.1:{port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(url: str, http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).is_success
    except httpx.TransportError:
        return False
