"""Where the engines of a running `up` answer, for the processes that join it."""

import os
import tempfile
import time
from pathlib import Path

import msgspec

from polyagent.adapters.engines.datadir import DataDir, said_plainly
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.lock import is_held, pause

JOIN_WAIT_S = 30


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """None: that engine is not ours. The URLs carry their passwords; `ai_url` is unix:/path/to.sock.

    `server_url` is where the gateway listens, or will.
    """

    server_url: str
    database_url: str | None
    redis_url: str | None
    ai_url: str | None
    ai_key: str | None
    ai_model: str | None

    def write(self, data: DataDir) -> None:
        """Show them to those who join, all at once, 0600."""
        with said_plainly(data.endpoints):
            fd, unfinished = tempfile.mkstemp(dir=data.path, prefix=f".{data.endpoints.name}.")
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(self))
            Path(unfinished).replace(data.endpoints)


def join(data_dir: Path, wait_s: float = JOIN_WAIT_S) -> Endpoints:
    """Return the endpoints of the `up` that runs on `data_dir`, once its engines are ready.

    Raises `EngineError` if there is none after `wait_s`.
    """
    data = DataDir(data_dir)
    until = time.monotonic() + wait_s
    while not (data.endpoints.exists() and is_held(data.lock)):
        if time.monotonic() >= until:
            raise EngineError(
                f"no `polyagent up` runs on {data.path} (waited {wait_s:.0f} s):"
                " start it, or set DATABASE_URL and REDIS_URL"
            )
        pause()
    return _read(data)


def running(data_dir: Path) -> Endpoints | None:
    """Return the endpoints of the `up` that runs on `data_dir` now, if one does and is ready."""
    data = DataDir(data_dir)
    if data.endpoints.exists() and is_held(data.lock):
        return _read(data)
    return None


def _read(data: DataDir) -> Endpoints:
    with said_plainly(data.endpoints):
        return msgspec.json.decode(data.endpoints.read_bytes(), type=Endpoints)
