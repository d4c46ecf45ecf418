"""Start a child through the trampoline, and end one."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, Signals

from polyagent.adapters.engines import trampoline
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.account import Account

# Engines see nothing of the caller's environment: PGDATA, LD_PRELOAD and keys are in there.
BARE = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
COMPLAINT = re.compile(r"(?:FATAL|PANIC|ERROR|[Ee]rror):\s*(.+)")


def launch(
    argv: Sequence[str],
    *,
    death_signal: Signals,
    env: Mapping[str, str] = BARE,
    account: Account | None = None,
    oom_score: int = 0,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    inherit: Sequence[int] = (),
    cwd: Path = Path("/"),
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own; it gets `death_signal` when we end (Linux).

    Call it from the main thread: the signal comes when the thread that started the child ends.
    """
    uid, gid = (account.uid, account.gid) if account else (os.getuid(), os.getgid())
    through = [sys.executable, "-I", "-S", trampoline.__file__, str(os.getpid())]
    numbers = [str(int(death_signal)), str(uid), str(gid), str(oom_score)]
    return subprocess.Popen(
        [*through, *numbers, *argv],
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=inherit,
        start_new_session=True,
        cwd=cwd,
    )


def run(
    argv: Sequence[str], *, account: Account, text: str = "", inherit: Sequence[int] = ()
) -> str:
    """Run a program of an engine to its end and return its stdout. Raises `EngineError` if it complains."""
    pipe = subprocess.PIPE
    process = launch(
        argv,
        death_signal=SIGKILL,
        account=account,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        inherit=inherit,
    )
    output, errors = process.communicate(text.encode())
    if process.returncode or COMPLAINT.search(errors.decode(errors="replace")):
        name = Path(argv[0]).name
        reason = complaint(errors.decode(errors="replace")) or ended_how(process.returncode)
        raise EngineError(f"{name} failed: {reason}")
    return output.decode(errors="replace")


def stop(process: subprocess.Popen[bytes], *orders: tuple[Signals, float]) -> None:
    """Give one order after the other, each with the seconds that it has, until the process ends."""
    for signal, wait_s in orders:
        if process.poll() is None:
            process.send_signal(signal)
            try:
                process.wait(wait_s)
            except subprocess.TimeoutExpired:
                continue
    if process.poll() is None:
        process.kill()
        process.wait()


def complaint(log: str) -> str | None:
    """Return the last error that a log tells of, without its time and its level."""
    found = COMPLAINT.findall(log)
    return found[-1].strip() if found else None


def ended_how(code: int) -> str:
    """Say in words how a process ended."""
    return f"it ended by {Signals(-code).name}" if code < 0 else f"it ended with code {code}"


def said_last(log: Path) -> str | None:
    """Return the last error in the final kilobytes of a log file."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return complaint(file.read().decode(errors="replace"))
