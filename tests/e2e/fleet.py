"""The processes of a drill: an `up` for the engines, and gateways and workers that join it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from polyagent.adapters.engines.endpoints import join
from tests.e2e.processes import children_of
from tests.e2e.server import GONE_S, Up, free_port

ROOT = Path(__file__).parents[2]


class Member:
    """One process beside the `up`, that can be ended in any way and started again on its port."""

    def __init__(self, name: str, words: tuple[str, ...], environ: Mapping[str, str], log: Path):
        self.name = name
        self._words = words
        self._environ = environ
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "polyagent", *self._words],
                env=self._environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """Return it and its children: a gateway executes in a child."""
        return [self.pid, *children_of(self.pid)]

    def signal(self, number: signal.Signals) -> list[int]:
        """Send a signal to it and its children, and return who they are."""
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def kill(self) -> list[int]:
        pids = self.signal(signal.SIGKILL)
        self.ended()
        return pids

    def terminate(self) -> None:
        """Ask it to end in good order; it tells its children itself."""
        os.kill(self.pid, signal.SIGTERM)

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        return self._process.wait(GONE_S)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.terminate()
            self.ended()


class Fleet:
    """`with Fleet(model_url, ...) as fleet:` runs inside, and is gone outside.

    `environ` is for all of them, `members` for those beside the `up`.
    """

    def __init__(
        self,
        model_url: str,
        *,
        gateways: int,
        workers: int,
        environ: Mapping[str, str],
        members: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self.up = Up(model_url, environ=environ, data_dir=data_dir)
        self._environ = {**self.up.environ, **(members or {})}
        self._keeps = data_dir is not None
        self._ports = [free_port() for _ in range(gateways)]
        self._workers = workers
        self.members: dict[str, Member] = {}

    @property
    def gateways(self) -> dict[str, str]:
        """Return the addresses of the gateways that can be killed, by name."""
        return {f"gateway-{n}": f"http://127.0.0.1:{p}" for n, p in enumerate(self._ports, 1)}

    @property
    def database_url(self) -> str:
        return str(join(self.up.data_dir).database_url)

    @property
    def redis_url(self) -> str:
        return str(join(self.up.data_dir).redis_url)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.up)
            for name, words in self._commands():
                log = self.up.log.with_name(f"{self.up.data_dir.name}.{name}.out")
                member = Member(name, words, self._environ, log)
                self.members[name] = member
                if not self._keeps:
                    stack.callback(log.unlink, missing_ok=True)
                stack.callback(member.stop)
                member.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _commands(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for n, port in enumerate(self._ports, 1):
            yield f"gateway-{n}", ("serve", "--port", str(port))
        for n in range(1, self._workers + 1):
            yield f"worker-{n}", ("worker",)

    def pid_of(self, engine: str) -> int:
        """Return the process of `postgres` or `valkey`."""
        file = {"postgres": "pg/postmaster.pid", "valkey": "valkey/valkey.pid"}[engine]
        return int((self.up.data_dir / file).read_text().split()[0])
