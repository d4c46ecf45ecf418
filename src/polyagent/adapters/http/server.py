"""Serving: a main process that listens, and workers that answer. The main never loads the application."""

import os
import resource
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from polyagent.adapters.http.process.parent import end_with
from polyagent.adapters.http.process.port import claimed
from polyagent.settings import Server

BACKLOG = 4096
MAX_CONNECTIONS = 16_384
HEADER_TIMEOUT_MS = 5_000
MAX_HEAD_BYTES = 64 * 1024  # of a head that is read; what is allowed is less
RESPAWN_S = 0.5
SETTLE_S = 0.5
IMPATIENT_S = 2.0
FAREWELL_S = 5

# its lines go where all others go
LOGGING = {"loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": False}}}


def serve(target: str, settings: Server, *, reuse_port: bool) -> int:
    """Serve the ASGI application that `target` (`module:function`) makes, until SIGTERM or Ctrl-C.

    Raises `SettingsError` if the address cannot be had.
    """
    address, port = claimed(settings.host, settings.port, is_shared=reuse_port)
    _raise_open_files()
    server = DrainingServer(
        target,
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_TIMEOUT_MS, max_buffer_size=MAX_HEAD_BYTES
        ),
        workers=settings.workers,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,  # it counts connections, idle ones and streams too
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_S,
        workers_kill_timeout=int(settings.drain_s) + FAREWELL_S,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGING,
    )
    try:
        server.serve(target_loader=partial(_load, os.getpid(), target), wrap_loader=False)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class DrainingServer(MPServer):
    """Has its workers end their streams before it stops them.

    By itself granian lets a stream keep its worker for ever, or kills both.
    """

    _stopping_since: float | None = None

    def signal_handler_interrupt(self, *_: Any, **__: Any) -> None:
        """Drain, then stop; a second signal means now, unless it came with the first one."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            self._tell_workers(signal.SIGUSR1)
            stop = threading.Timer(SETTLE_S, super().signal_handler_interrupt)
            stop.daemon = True
            stop.start()
        elif time.monotonic() - self._stopping_since > IMPATIENT_S:
            self._tell_workers(signal.SIGKILL)

    def _tell_workers(self, number: signal.Signals) -> None:
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, number)


def _load(main_pid: int, target: str) -> Any:
    """Make the application; this is where a worker's life begins."""
    end_with(main_pid)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # nothing to drain yet
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)()


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems call unlimited what they do not give
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
