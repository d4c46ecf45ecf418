"""Starting the processes of a run, and ending each of them by its id."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from bench import machine

READY_S = 60.0
STOP_S = 30.0
POLL_S = 0.05


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """`python -m <words>` on some cores, from its start to the end of the block."""

    def __init__(
        self, *words: str, log: Path, cores: machine.Cores, environ: Mapping[str, str] | None = None
    ) -> None:
        with log.open("ab") as output, machine.on(cores):
            self._process = subprocess.Popen(
                [sys.executable, "-m", *words],
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._log = log
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def await_ready(self, url: str) -> None:
        """Return when `url` answers 200. Raises `RuntimeError` if the process ends or takes too long."""
        until = time.monotonic() + READY_S
        with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501  # no TLS here
            while not _answers(client, url):
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{url} is not ready: {self._log.read_text()[-2000:]}")
                time.sleep(POLL_S)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False
