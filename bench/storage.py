"""PostgreSQL and Valkey as `polyagent up` runs them: the same programs, settings and durability."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench import machine
from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.fleet import Fleet
from polyagent.adapters.engines.host.account import engine_account
from polyagent.adapters.engines.host.lock import Lock, pause
from polyagent.adapters.engines.postgres import Postgres
from polyagent.adapters.engines.valkey import Valkey

START_S = 120.0


class Engines(msgspec.Struct, frozen=True):
    """The `pid`s are those of the roots of the two families; `versions` is for people."""

    database_url: str
    redis_url: str
    postgres_pid: int
    valkey_pid: int
    versions: str


@contextmanager
def engines(directory: Path, cores: machine.Cores) -> Iterator[Engines]:
    """Start both on these cores in a directory that others may pass, and stop them at the end."""
    data = DataDir(directory)
    data.open()
    account = engine_account()
    with Lock(data.engines_lock) as lock:
        lock.acquire(pause=pause)
        postgres = Postgres(data, account, lock.fileno())
        valkey = Valkey(data, account, lock.fileno())
        fleet = Fleet()
        try:
            for engine in (valkey, postgres):
                engine.prepare()
                with machine.on(cores):
                    fleet.start(engine)
            _await(fleet)
            yield Engines(
                database_url=postgres.url,
                redis_url=valkey.url,
                postgres_pid=_pid(directory / "pg" / "postmaster.pid"),
                valkey_pid=_pid(directory / "valkey" / "valkey.pid"),
                versions=f"PostgreSQL {postgres.version()}, Valkey {valkey.version()}",
            )
        finally:
            fleet.stop()


def _await(fleet: Fleet) -> None:
    until = time.monotonic() + START_S
    while fleet.waiting():
        failed = fleet.never_came_up()
        if failed or time.monotonic() > until:
            raise RuntimeError(f"the engines did not come up: {failed}")
        pause()


def _pid(file: Path) -> int:
    return int(file.read_text().split()[0])
