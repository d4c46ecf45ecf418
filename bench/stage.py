"""What every part stands on: the engines, the model service, and how a server is started beside them."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import msgspec

from bench import machine
from bench.load.generator import request
from bench.process import Process, free_port
from bench.storage import Engines, engines
from bench.subjects.model_service import MODEL, Pace

ASK_BARE = {"model": MODEL, "messages": [{"role": "user", "content": "Say something useful."}]}
UNLIMITED = 1_000_000
ASK = {"message": "Say something useful."}


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Something that answers chats; `plain` and `streamed` are the requests for one."""

    name: str
    pid: int
    port: int
    plain: str
    streamed: str


class Stage:
    """`with stage(directory) as here:`; whatever it started is gone behind the block."""

    def __init__(self, directory: Path, running: Engines, *, quick: bool) -> None:
        self.quick = quick
        self.engines = running
        self.server_cores, self.other_cores = machine.cores()
        self.directory = directory
        self.profile = directory / "profile"
        self.model_port = free_port()
        self._secret = secrets.token_urlsafe(32)
        self._token = ""

    @property
    def environ(self) -> dict[str, str]:
        """What a process of PolyAgent finds: its own defaults, but for where things are."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("POLYAGENT_")}
        return kept | {
            "DATABASE_URL": self.engines.database_url,
            "REDIS_URL": self.engines.redis_url,
            "PYTHON_AI_URL": f"http://127.0.0.1:{self.model_port}",
            "JWT_SECRET": self._secret,
            "POLYAGENT_DATA_DIR": str(self.directory / "data"),
            "POLYAGENT_LOG__FORMAT": "json",
            "POLYAGENT_LIMITS__ADDRESS_REQUESTS": str(UNLIMITED),
            "POLYAGENT_LIMITS__USER_REQUESTS": str(UNLIMITED),
            "POLYAGENT_LIMITS__USER_RUNS": str(UNLIMITED),
            "POLYAGENT_LIMITS__STREAMS": str(UNLIMITED),
            "BENCH_PROFILE": str(self.profile),
        }

    @property
    def authorization(self) -> str:
        return f"Bearer {self._token}"

    def prepare(self) -> None:
        """Migrate, and get a token of the first administrator."""
        self.command("prepare")
        self._token = self.command("admin", "token", "--valid-for", "86400")

    def command(self, *words: str) -> str:
        """Run a command of the product and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "polyagent", *words],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    @contextmanager
    def model_service(self) -> Iterator[None]:
        words = ("bench.subjects.model_service", str(self.model_port))
        with self._process("model", *words, cores=self.other_cores) as process:
            process.await_ready(f"http://127.0.0.1:{self.model_port}/v1/models")
            yield

    def subject(self, name: str, port: int) -> Process:
        """Return a program of `bench.subjects` that serves at a port, for a `with` block."""
        return self._process(name, f"bench.subjects.{name}", str(port), cores=self.other_cores)

    def pace(self, pace: Pace) -> None:
        url = f"http://127.0.0.1:{self.model_port}/pace"
        httpx.post(url, content=msgspec.json.encode(pace), trust_env=False).raise_for_status()

    def direct(self) -> Server:
        """The model service itself, asked without anything between."""
        return _compatible("direct", 0, self.model_port)

    @contextmanager
    def passthrough(self) -> Iterator[Server]:
        port = free_port()
        words = ("granian", "--interface", "asgi", "--loop", "uvloop", "--http", "1", "--no-ws")
        sizes = ("--backlog", "4096", "--backpressure", "16384", "--log-level", "warning")
        app = ("--port", str(port), "bench.subjects.passthrough:app")
        environ = {"BENCH_MODEL_PORT": str(self.model_port)}
        process = self._process(
            "passthrough", *words, *sizes, *app, cores=self.server_cores, environ=environ
        )
        with process:
            process.await_ready(f"http://127.0.0.1:{port}/health/ready")
            yield _compatible("bare Litestar", process.pid, port)

    @contextmanager
    def gateway(
        self,
        *,
        module: str = "polyagent",
        cores: machine.Cores | None = None,
        model_url: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[Server]:
        """`polyagent serve`, one worker, as it comes; `model_url`: on another model service.

        `settings` are more of its environment.
        """
        port = free_port()
        words = (module, "serve", "--port", str(port))
        environ, cores = self.environ | dict(settings or {}), cores or self.server_cores
        if model_url is not None:
            environ["PYTHON_AI_URL"] = model_url
        with self._process("gateway", *words, cores=cores, environ=environ) as process:
            process.await_ready(f"http://127.0.0.1:{port}/health/ready")
            yield Server(
                name="PolyAgent",
                pid=process.pid,
                port=port,
                plain=self.chat("/api/v1/chat", ASK),
                streamed=self.chat("/api/v1/chat/stream", ASK),
            )

    @contextmanager
    def worker(self) -> Iterator[int]:
        """`polyagent worker`, as it comes; its process."""
        words = ("polyagent", "worker")
        with self._process("worker", *words, cores=self.server_cores, environ=self.environ) as it:
            yield it.pid

    def chat(self, path: str, ask: Mapping[str, object]) -> str:
        return request("POST", path, msgspec.json.encode(ask), Authorization=self.authorization)

    def client(self, server: Server) -> httpx.Client:
        headers = {"Authorization": self.authorization}
        url = f"http://127.0.0.1:{server.port}"
        return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

    def query(self, statement: str) -> dict[str, float]:
        """Ask PostgreSQL for one row of numbers."""

        async def ask() -> dict[str, float]:
            connection = await asyncpg.connect(self.engines.database_url)
            try:
                row = await connection.fetchrow(statement)
                return {} if row is None else {k: float(v) for k, v in row.items()}
            finally:
                await connection.close()

        return asyncio.run(ask())

    def _process(
        self, name: str, *words: str, cores: machine.Cores, environ: dict[str, str] | None = None
    ) -> Process:
        log = self.directory / f"{name}.log"
        return Process(*words, log=log, cores=cores, environ=environ)


def _compatible(name: str, pid: int, port: int) -> Server:
    path = "/v1/chat/completions"
    plain, streamed = (
        request("POST", path, msgspec.json.encode({**ASK_BARE, "stream": stream}))
        for stream in (False, True)
    )
    return Server(name=name, pid=pid, port=port, plain=plain, streamed=streamed)


@contextmanager
def stage(directory: Path, *, quick: bool) -> Iterator[Stage]:
    _, others = machine.cores()
    with engines(directory / "data", others) as running:
        here = Stage(directory, running, quick=quick)
        here.prepare()
        with here.model_service():
            yield here
