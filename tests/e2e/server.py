"""A real `polyagent up` in a data directory of its own, and who its processes are."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

READY_S = 120
GONE_S = 60
POLL_S = 0.05


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(what: str, check: Any, limit_s: float = GONE_S) -> Any:
    """Ask again and again until `check` gives something true, and return it."""
    until = time.monotonic() + limit_s
    while not (found := check()):
        assert time.monotonic() < until, f"not within {limit_s} s: {what}"
        time.sleep(POLL_S)
    return found


UNLIMITED = {
    f"POLYAGENT_LIMITS__{name}": "1000000"
    for name in ("ADDRESS_REQUESTS", "USER_REQUESTS", "END_USER_REQUESTS", "USER_RUNS", "STREAMS")
}


class Up:
    """`with Up(model_url) as up:` is ready to be used inside, and gone without a trace outside."""

    def __init__(
        self,
        model_url: str | None,
        *,
        data_dir: Path | None = None,
        words: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="polyagent-test-"))
        self.http = httpx.Client(base_url=self.url, timeout=READY_S, trust_env=False)
        self._keeps = data_dir is not None
        self._words = words
        self._more = dict(environ or {})
        self._model_url = model_url
        self.process: subprocess.Popen[str] | None = None

    @property
    def environ(self) -> dict[str, str]:
        ours = ("DATABASE_URL", "REDIS_URL", "PYTHON_AI_URL", "JWT_SECRET")
        environ = {
            name: value
            for name, value in os.environ.items()
            if name not in ours and not name.startswith("POLYAGENT_")
        }
        environ |= {"POLYAGENT_DATA_DIR": str(self.data_dir), "POLYAGENT_LOG__FORMAT": "json"}
        environ |= {"POLYAGENT_SERVER__PORT": str(self.port)}
        environ |= UNLIMITED
        environ |= {"PYTHON_AI_URL": self._model_url} if self._model_url else {}
        return environ | self._more

    def start(self) -> Self:
        self.log = self.data_dir.with_name(f"{self.data_dir.name}.out")
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "polyagent", "up", *self._words],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        eventually("the server is ready", self._is_ready, READY_S)
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/health/ready").status_code == 200
        return False

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run another command on the same data directory."""
        return subprocess.run(
            [sys.executable, "-m", "polyagent", *words],
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=READY_S,
            check=False,
        )

    def token(self, username: str = "admin") -> str:
        done = self.run("admin", "token", "--user", username, "--valid-for", "7200")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def family(self) -> dict[int, str]:
        """Return the processes that belong to this data directory, and what each is."""
        mine = str(self.data_dir)
        return {pid: words for pid, words, everything in processes() if mine in everything}

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GONE_S)

    def kill_all(self) -> None:
        """SIGKILL everything at once, the supervisor first."""
        assert self.process is not None
        pids = [self.process.pid, *self.family()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(GONE_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.http.close()
        eventually("nothing is left behind", lambda: not self.family())
        if not self._keeps:
            shutil.rmtree(self.data_dir)
            self.log.unlink()


def processes() -> Iterator[tuple[int, str, str]]:
    """Yield each process with its command line, and that together with its environment."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = _nul_separated(entry / "cmdline")
                yield int(entry.name), words, words + _nul_separated(entry / "environ")


def _nul_separated(path: Path) -> str:
    return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def sse(lines: Iterator[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the events of a stream."""
    for line in lines:
        if found := re.match(r"data: ?(.*)", line):
            yield json.loads(found[1])
