"""Under what conditions the figures came about."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bench import machine
from bench.storage import Engines
from bench.table import say

PACKAGES = ("polyagent", "litestar", "granian", "uvloop", "asyncpg", "redis", "aiohttp")


def show(running: Engines, load_before: float) -> None:
    under_test, others = machine.cores()
    say("### Conditions\n")
    say(f"- processor: {_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB")
    say(f"- system: {platform.platform()}, Python {platform.python_version()}")
    say(f"- versions: {', '.join(_versions())}; {running.versions}")
    say(f"- load average of the minute before the start: {load_before:.2f}")
    say(
        f"- the server under test runs on core {_listed(under_test)}; the engines, the model service"
        f" and the load generator on core {_listed(others)}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        yield f"{package} {version(package)}"


def _listed(cores: machine.Cores) -> str:
    return ", ".join(map(str, sorted(cores)))
