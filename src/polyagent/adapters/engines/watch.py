"""The supervisor's end of the watchdog."""

import subprocess
import sys
from contextlib import suppress

import msgspec

from polyagent.adapters.engines.reports import Inbox, Order, Report, Wanted, Ward, send

COMMAND = (sys.executable, "-P", "-m", "polyagent.adapters.engines.watchdog")
STOP_S = 150.0


class Watch:
    """Starts watchdogs, one after the other; each learns which process groups are in its care."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._wards: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._inbox: Inbox[Report] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            COMMAND, stdin=pipe, stdout=pipe, start_new_session=True, cwd="/"
        )
        self._process = process
        if process.stdout is not None:
            self._inbox = Inbox(process.stdout.fileno(), msgspec.json.Decoder(Report))
        self._send(self._wanted)
        for group in self._wards:
            self._send(Ward(group=group, lives=True))
        return process

    def guard(self, group: int) -> None:
        self._wards.add(group)
        self._send(Ward(group=group, lives=True))

    def forget(self, group: int) -> None:
        self._wards.discard(group)
        self._send(Ward(group=group, lives=False))

    @property
    def readers(self) -> list[int]:
        """Return what to wait for."""
        return [self._inbox.fd] if self._inbox and not self._inbox.is_closed else []

    def reports(self) -> list[Report]:
        """Read what came; call it when a reader is readable."""
        return self._inbox.take() if self._inbox else []

    def _send(self, order: Order) -> None:
        if self._process and self._process.stdin:
            with suppress(BrokenPipeError):  # it is dead, and will be found so
                send(self._process.stdin, order)

    def close(self) -> None:
        """Let go of the pipe, which ends the watchdog, and wait until the engines have ended."""
        if self._process and self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        if self._process and self._process.stdout:
            self._inbox = None
            self._process.stdout.close()
