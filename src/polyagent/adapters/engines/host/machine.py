"""Memory and processor, as the machine and its cgroup allow them."""

import os
import platform
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60


def memory_bytes() -> int:
    """Return what this process may use at most: the machine's memory or the cgroup's limit."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([physical, *(limit for limit, _ in _cgroups())])


def available_bytes() -> int:
    """Return what could still be used now, without swapping."""
    return min([_machine_available(), *(limit - used for limit, used in _cgroups())])


def missing_instructions(needed: frozenset[str]) -> frozenset[str]:
    """Return which of `needed` (names as in /proc/cpuinfo) an x86_64 lacks; other machines lack none."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return frozenset()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return needed - set(line.split())
    return needed


def _machine_available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return memory_bytes()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) * 1024


def _cgroups() -> list[tuple[int, int]]:
    """Return limit and use of each memory cgroup that we are in, version 2 and 1.

    https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
    """
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += _limits(CGROUP, path, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            found += _limits(CGROUP / "memory", path, *names)
    return found


def _limits(root: Path, path: str, limit_name: str, used_name: str) -> list[tuple[int, int]]:
    here = root / path.lstrip("/")
    found = []
    for level in (here, *(above for above in here.parents if above.is_relative_to(root))):
        limit, used = _number(level / limit_name), _number(level / used_name)
        if limit is not None and used is not None and limit < UNLIMITED:
            found.append((limit, used))
    return found


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
