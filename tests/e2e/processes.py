"""Processes and where they are, read from /proc."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

GENEROUS_S = 60.0
POLL_S = 0.02


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait for a condition; fails only when something is truly stuck."""
    until = time.monotonic() + GENEROUS_S
    while not holds():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(POLL_S)


async def in_time(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that has to be asked for."""
    for _ in range(int(GENEROUS_S / POLL_S)):
        if await holds():
            return
        await asyncio.sleep(POLL_S)
    raise AssertionError("it never came true")


def users_of(directory: Path) -> dict[int, str]:
    """Return the command of every other process that names, or has open, something below `directory`."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            links = [process / "cwd", *(process / "fd").iterdir()]
            touches = any(_points_into(link, directory) for link in links)
            if int(process.name) != os.getpid() and (touches or str(directory) in command):
                found[int(process.name)] = command
    return found


def _points_into(link: Path, directory: Path) -> bool:
    try:
        return link.readlink().is_relative_to(directory)
    except OSError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def children_of(pid: int) -> dict[int, str]:
    """Return the commands of its children."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if parent_of(int(process.name)) == pid:
                found[int(process.name)] = (process / "cmdline").read_bytes().decode()
    return found
