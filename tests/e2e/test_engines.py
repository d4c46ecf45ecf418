"""`up` on real engines: what dies, what comes back, what is left behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

import redis
from polyagent.adapters.engines.control import down, reset
from polyagent.adapters.engines.endpoints import Endpoints, join
from polyagent.adapters.engines.errors import EngineError
from tests.e2e.processes import GENEROUS_S, children_of, eventually, in_time, users_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="about what root does")


class Up:
    """A running driver; `started` is what it said when it was ready, None if it never was."""

    def __init__(self, data: Path, *flags: str, port: int, through: tuple[str, ...] = ()) -> None:
        self.data = data
        self.port = port
        self.told: list[tuple[str, Any]] = []
        self._process = subprocess.Popen(
            [*through, sys.executable, "-m", "tests.e2e.up_driver", str(data), str(port), *flags],
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _lines(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def hear(self, kind: str) -> Any:
        """Wait for what it tells under `kind`; None if it ends first."""
        for line in self._lines:
            told = json.loads(line)
            self.told.append((told[0], told[1]))
            if told[0] == kind:
                return told[1]
        return None

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for its end and return its exit code."""
        self._process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        with self._process:
            self.hear("nothing")
            return self._process.wait(GENEROUS_S)

    def watchdog(self) -> int:
        (pid,) = [pid for pid, command in children_of(self.pid).items() if "watchdog" in command]
        return pid

    def engine(self, part: str) -> int:
        engines = children_of(self.watchdog())
        (pid,) = [pid for pid, command in engines.items() if part in command]
        return pid

    def gateway(self) -> int:
        children = children_of(self.pid)
        (pid,) = [pid for pid, command in children.items() if "gateway" in command]
        return pid


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A directory that the engines' account reaches, unlike pytest's own."""
    made = Path(f"/tmp/polyagent-e2e-{os.getpid()}")  # noqa: S108  its name is ours
    made.mkdir(mode=0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def cluster(home: Path) -> Path:
    """A data directory that has been up once: later starts find the cluster."""
    return home / "data"


@pytest.fixture
def running(cluster: Path) -> Iterator[Up]:
    up = Up(cluster, port=free_port())
    try:
        assert up.hear("ready"), up.told
        yield up
    finally:
        up.end()


async def answers(endpoints: Endpoints) -> bool:
    """Ask both engines for something."""
    with suppress(OSError, asyncpg.PostgresError, redis.RedisError):
        await ask(endpoints)
        return True
    return False


async def ask(endpoints: Endpoints) -> None:
    assert endpoints.database_url
    assert endpoints.redis_url
    connection = await asyncpg.connect(endpoints.database_url)
    cache = Redis.from_url(endpoints.redis_url)
    try:
        await cache.ping()
        await connection.execute("select 1")
    finally:
        await cache.aclose()
        await connection.close()


async def test_the_engines_answer_to_an_application_without_power(running: Up) -> None:
    endpoints = join(running.data)

    assert await answers(endpoints)
    connection = await asyncpg.connect(endpoints.database_url)
    role = await connection.fetchrow(
        "select current_user as name, usesuper, usecreatedb from pg_user where usename = current_user"
    )
    vector = await connection.fetchval("select '[1,2]'::public.vector(2)::text")
    await connection.close()

    assert dict(role or {}) == {"name": "polyagent", "usesuper": False, "usecreatedb": False}
    assert vector == "[1,2]"


async def test_the_engines_want_their_passwords(running: Up) -> None:
    endpoints = join(running.data)
    assert endpoints.database_url
    assert endpoints.redis_url
    stranger = Redis.from_url(endpoints.redis_url.replace("unix://:", "unix://:not"))

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(endpoints.database_url.replace("polyagent:", "polyagent:not"))
    with pytest.raises(redis.ConnectionError, match="invalid username-password"):
        await stranger.ping()

    await stranger.aclose()


def test_nobody_else_can_read_what_is_secret(running: Up) -> None:
    files = [running.data / name for name in ("pg.password", "valkey.password", "endpoints.json")]

    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_uid == os.geteuid()
    commands = " ".join(users_of(running.data).values())
    assert (running.data / "pg.password").read_text() not in commands
    assert (running.data / "valkey.password").read_text() not in commands


@needs_root
def test_root_gives_the_engines_an_account_and_their_directories_only(running: Up) -> None:
    engines = [running.engine("postgres"), running.engine("valkey")]

    owners = {path.name: path.stat().st_uid == 0 for path in running.data.iterdir()}
    users = {Path(f"/proc/{pid}").stat().st_uid for pid in engines}

    assert {name for name, is_roots in owners.items() if not is_roots} == {"pg", "valkey"}
    assert 0 not in users
    assert (running.data / "pg").stat().st_uid in users


def test_a_second_up_refuses_and_names_the_directory_and_the_process(running: Up) -> None:
    second = Up(running.data, port=free_port())

    refusal = second.hear("failed")

    assert second.ended() == 3
    assert str(running.data) in refusal
    assert str(running.pid) in refusal


def test_a_port_in_use_is_refused_before_anything_starts(running: Up, home: Path) -> None:
    other = home / "other"
    second = Up(other, port=running.port)

    refusal = second.hear("failed")

    assert second.ended() == 3
    assert refusal.startswith(f"port {running.port} is in use by process {running.gateway()}")
    assert not (other / "pg").exists()


@pytest.mark.parametrize("name", ["postgres", "valkey"])
async def test_an_engine_that_is_killed_comes_back(running: Up, name: str) -> None:
    endpoints = join(running.data)
    killed = running.engine(name)

    os.kill(killed, signal.SIGKILL)
    running.hear("warn")
    await in_time(lambda: answers(endpoints))

    assert running.engine(name) != killed


def test_a_gateway_that_is_killed_comes_back(running: Up) -> None:
    killed = running.gateway()

    os.kill(killed, signal.SIGKILL)
    running.hear("warn")
    eventually(lambda: listens(running.port), "the gateway")

    assert running.gateway() != killed


async def test_a_watchdog_that_is_killed_comes_back_with_its_engines(running: Up) -> None:
    endpoints = join(running.data)
    before = {running.watchdog(), running.engine("postgres"), running.engine("valkey")}

    os.kill(running.watchdog(), signal.SIGKILL)
    eventually(lambda: not before & users_of(running.data).keys(), "the end of the engines")
    await in_time(lambda: answers(endpoints))

    assert running.watchdog() not in before


async def test_a_killed_supervisor_leaves_nothing_and_the_next_start_recovers(
    cluster: Path,
) -> None:
    port = free_port()
    first = Up(cluster, "--model", port=port)
    assert first.hear("ready"), first.told
    connection = await asyncpg.connect(join(cluster).database_url)
    await connection.execute("create table kept as select 'this' as what")
    first.end(signal.SIGKILL)
    second = Up(cluster, port=port)  # at once: what is left of the first is still ending
    started = second.hear("ready")
    kept_by = await asyncpg.connect(join(cluster).database_url)
    kept = await kept_by.fetchval("select what from kept")
    await kept_by.execute("drop table kept")
    await kept_by.close()
    connection.terminate()
    code = second.end()

    assert started, second.told
    assert kept == "this"
    assert code == 0
    assert users_of(cluster) == {}


def test_a_stop_ends_all_in_order(cluster: Path) -> None:
    (cluster / "ends").unlink(missing_ok=True)
    (cluster / "logs" / "worker listens").unlink(missing_ok=True)
    up = Up(cluster, port=free_port())
    assert up.hear("ready"), up.told
    eventually((cluster / "logs" / "worker listens").exists, "the worker's handler of SIGTERM")

    code = up.end()

    assert code == 0
    ends = (cluster / "ends").read_text().splitlines()
    assert ends == ["gateway with engines", "worker with engines"]
    assert "database system is shut down" in (cluster / "logs" / "postgres.log").read_text()
    assert users_of(cluster) == {}
    assert not (cluster / "endpoints.json").exists()


def test_down_stops_it_from_outside(cluster: Path) -> None:
    up = Up(cluster, port=free_port())
    assert up.hear("ready"), up.told

    stopped = down(cluster)

    assert stopped
    assert up.ended() == 0
    assert down(cluster) is False


def test_reset_refuses_while_it_runs(running: Up) -> None:
    with pytest.raises(EngineError, match=str(running.pid)):
        reset(running.data)

    assert (running.data / "pg").exists()


def test_the_model_streams_an_answer(cluster: Path) -> None:
    up = Up(cluster, "--model", port=free_port())
    started = up.hear("ready")
    endpoints = join(cluster)
    assert endpoints.ai_url
    transport = httpx.HTTPTransport(uds=endpoints.ai_url.removeprefix("unix:"), verify=False)
    ask = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, "max_tokens": 8}

    with httpx.Client(transport=transport, base_url="http://model", timeout=GENEROUS_S) as client:
        refused = client.get("/v1/models")
        with client.stream(
            "POST",
            "/v1/chat/completions",
            json=ask,
            headers={"Authorization": f"Bearer {endpoints.ai_key}"},
        ) as answered:
            lines = [line for line in answered.iter_lines() if line]
    up.end()

    assert started["model"] == endpoints.ai_model
    assert refused.status_code == 401
    assert lines[-1] == "data: [DONE]"


def test_a_path_too_long_for_a_socket_gets_a_short_one_and_reset_leaves_nothing(
    home: Path,
) -> None:
    data = home / ("long-" * 20) / "data"
    up = Up(data, port=free_port())
    assert up.hear("ready"), up.told
    short = Path((data / "run").read_text())
    assert join(data).database_url
    (data / "mine.txt").write_text("a person's own")

    up.end()
    reset(data)

    assert not short.exists()
    assert {path.name for path in data.iterdir()} == {"ends", "mine.txt"}


def test_a_full_disk_is_one_line(home: Path) -> None:
    disk = home / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=50m none {disk} && exec "$@"'
    through = ("unshare", "--mount", "sh", "-c", mount, "sh")
    if subprocess.run([*through, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not mount here")

    up = Up(disk / "data", port=free_port(), through=through)

    assert "full" in up.hear("failed")
    assert up.ended() == 3


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
