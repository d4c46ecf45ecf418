"""Cores, processes and what they use, from /proc: https://man7.org/linux/man-pages/man5/proc.5.html"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")

PARENT, UTIME, CSTIME = 1, 11, 14  # fields of /proc/<pid>/stat behind the command

Cores = frozenset[int]


def cores() -> tuple[Cores, Cores]:
    """Return the core of the server under test and those of all others: the same if there is one."""
    mine = sorted(os.sched_getaffinity(0))
    return frozenset(mine[:1]), frozenset(mine[1:] or mine)


@contextmanager
def on(wanted: Cores) -> Iterator[None]:
    """Have the processes that are started inside run on these cores."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def move(pids: Iterable[int], wanted: Cores) -> None:
    """Let running processes go on on these cores, with their threads and whatever they start."""
    for pid in pids:
        for task in (PROC / str(pid) / "task").iterdir():
            os.sched_setaffinity(int(task.name), wanted)


def family(root: int) -> list[int]:
    """Return a process and all that come of it."""
    children: dict[int, list[int]] = {}
    for entry in PROC.glob("[0-9]*"):
        if fields := _stat(int(entry.name)):
            children.setdefault(int(fields[PARENT]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_s(root: int) -> float:
    """Return what a process and all that come of it have used, those that ended included."""
    ticks = 0
    for pid in family(root):
        ticks += sum(map(int, _stat(pid)[UTIME : CSTIME + 1]))
    return ticks / TICKS_A_SECOND


def pss_bytes(root: int) -> int:
    """Return the memory of a process and all that come of it, what they share counted once."""
    return sum(map(_pss_bytes, family(root)))


def _pss_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process ever had; 0 if it is gone."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def command(pid: int) -> str:
    """Return the words that a process was started with; none if it is gone."""
    with suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def _stat(pid: int) -> Sequence[str]:
    with suppress(OSError):
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return ()
