"""The watchdog: owns the engines, and ends them when the supervisor is gone, however that went.

    python -P -m polyagent.adapters.engines.watchdog     (stdin: `Order`s; stdout: `Report`s)

Its stdin is a pipe from the supervisor: end of file means that the supervisor has ended.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.endpoints import Endpoints
from polyagent.adapters.engines.engine import Engine
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.fleet import Fleet
from polyagent.adapters.engines.host.account import FALLBACK, HOW_TO_CREATE, Account, engine_account
from polyagent.adapters.engines.host.lock import Held, Lock
from polyagent.adapters.engines.model import Model
from polyagent.adapters.engines.postgres import Postgres
from polyagent.adapters.engines.process.bell import Bell
from polyagent.adapters.engines.reports import (
    Failed,
    Inbox,
    Order,
    Ready,
    Report,
    Step,
    Wanted,
    Ward,
    Warned,
    send,
)
from polyagent.adapters.engines.valkey import Valkey

# Only the pipe ends us. Handlers, not SIG_IGN: what is ignored stays ignored in children.
DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ORPHANS_S = 60.0
READY_S = 120.0
PATIENCE_S = 5.0
TICK_S = 0.02
IDLE_S = 0.5


class Abandoned(Exception):
    """The supervisor is gone."""


class Watchdog:
    def __init__(self, wanted: Wanted, inbox: Inbox[Order], bell: Bell, lock: Lock) -> None:
        self._wanted = wanted
        self._inbox = inbox
        self._bell = bell
        self._lock = lock
        self._data = DataDir(Path(wanted.data_dir))
        self._fleet = Fleet()
        self._wards: set[int] = set()
        self._told_orphans = False
        self._model: Model | None = None
        self._model_note: str | None = None

    def run(self) -> None:
        try:
            self._lock.acquire(wait_s=ORPHANS_S, pause=self._await_orphans)
            self._start(engine_account())
            while True:
                self._listen(IDLE_S)
                self._tend()
        except Held:
            self._report(Failed(f"engines of an earlier start still run on {self._data.path}"))
        except EngineError as error:
            self._report(Failed(error.detail))
        finally:
            self._stop()

    def _start(self, account: Account) -> None:
        """Start the slowest first; the order is also the one in which they end."""
        self._introduce(account)
        postgres = Postgres(self._data, account, self._fd) if self._wanted.postgres else None
        valkey = Valkey(self._data, account, self._fd) if self._wanted.valkey else None
        self._model = self._possible_model(account)
        engines: list[Engine] = [
            engine for engine in (self._model, valkey, postgres) if engine is not None
        ]
        for engine in engines:
            self._listen(0)
            self._report(Step(f"Starting {engine.name} {engine.version()}"))
            engine.prepare()
            self._fleet.start(engine)
        self._await_ready()
        self._announce(postgres, valkey)

    def _introduce(self, account: Account) -> None:
        if (barred := account.barred_from(self._data.path)) is not None:
            raise EngineError(
                f"the account {account.name}, which runs the engines for root, cannot enter {barred}:"
                f" `chmod o+x {barred}`, or choose another --data-dir"
            )
        if os.geteuid() == 0 and account.name == FALLBACK and not self._data.has_cluster():
            self._report(
                Warned(f"the engines run as {FALLBACK}; to give them an account: {HOW_TO_CREATE}")
            )

    @property
    def _fd(self) -> int:
        return self._lock.fileno()

    def _possible_model(self, account: Account) -> Model | None:
        if not self._wanted.model:
            return None
        try:
            own = Path(self._wanted.model_file) if self._wanted.model_file else None
            return Model(self._data, account, self._fd, own)
        except EngineError as error:
            self._model_note = error.detail
            return None

    def _await_ready(self) -> None:
        began = time.monotonic()
        told = False
        while waiting := self._fleet.waiting():
            for engine, why in self._fleet.never_came_up():
                self._do_without(engine, why)
            waited_s = time.monotonic() - began
            names = " and ".join(engine.name for engine in waiting)
            if waited_s > READY_S:
                raise EngineError(f"{names} did not come up in {READY_S:.0f} s")
            if waited_s > PATIENCE_S and not told:
                told = True
                self._report(Step(f"Waiting for {names}: after a crash, recovery comes first"))
            self._listen(TICK_S)

    def _do_without(self, engine: Engine, why: str) -> None:
        """Give the model up; without another engine there is no server."""
        if engine is not self._model:
            raise EngineError(why)
        self._fleet.drop(engine)
        self._model, self._model_note = None, why

    def _announce(self, postgres: Postgres | None, valkey: Valkey | None) -> None:
        model = self._model
        Endpoints(
            server_url=self._wanted.server_url,
            database_url=postgres.url if postgres else None,
            redis_url=valkey.url if valkey else None,
            ai_url=model.url if model else None,
            ai_key=model.key if model else None,
            ai_model=model.alias if model else None,
        ).write(self._data)
        self._report(
            Ready(
                engines={each.name: each.version() for each in (postgres, valkey) if each},
                model=model.alias if model else None,
                model_note=model.note if model else self._model_note,
            )
        )

    def _tend(self) -> None:
        for engine, why in self._fleet.tend(lambda text: self._report(Warned(text))):
            self._do_without(engine, why)
            self._report(Warned(why))

    def _listen(self, timeout_s: float) -> None:
        """Sleep at most `timeout_s`, and do what the supervisor says. Raises `Abandoned`."""
        if self._bell.wait(timeout_s, self._inbox.fd):
            for order in self._inbox.take():
                if isinstance(order, Ward):
                    change = self._wards.add if order.lives else self._wards.discard
                    change(order.group)
            if self._inbox.is_closed:
                raise Abandoned

    def _await_orphans(self) -> None:
        """Engines that outlived their watchdog end with it; where the kernel has not told them, we do.

        While somebody holds the lock, what their pid files say is true.
        """
        if not self._told_orphans:
            self._told_orphans = True
            self._report(Step("Waiting for the engines of an earlier start to end"))
            _tell(self._data.path / "pg" / "postmaster.pid", signal.SIGINT)
            _tell(self._data.path / "valkey" / "valkey.pid", signal.SIGTERM)
        self._listen(TICK_S)

    def _report(self, report: Report) -> None:
        try:
            send(sys.stdout.buffer, report)
        except BrokenPipeError:
            raise Abandoned from None

    def _stop(self) -> None:
        """First those who use the engines, in case that nobody else could end them."""
        for group in self._wards:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._data.endpoints.unlink(missing_ok=True)
        self._fleet.stop()


def _tell(pid_file: Path, number: signal.Signals) -> None:
    with suppress(OSError, ValueError, IndexError):
        os.kill(int(pid_file.read_text().split()[0]), number)


def main() -> None:
    inbox = Inbox(sys.stdin.fileno(), msgspec.json.Decoder(Order))
    for wanted in inbox.take():
        if isinstance(wanted, Wanted):
            _watch(wanted, inbox)


def _watch(wanted: Wanted, inbox: Inbox[Order]) -> None:
    data = DataDir(Path(wanted.data_dir))
    with Bell(DEAF_TO) as bell, Lock(data.engines_lock) as lock:
        try:
            Watchdog(wanted, inbox, bell, lock).run()
        except Abandoned:
            if wanted.throwaway:
                data.erase()


if __name__ == "__main__":
    main()
