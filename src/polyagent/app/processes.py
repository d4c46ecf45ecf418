"""What the commands start: the supervisor, a gateway, a worker, and the steps before them."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import msgspec
from dishka import AsyncContainer

from polyagent.app.ground import UNDER_UP, data_dir, hand_on, handed, settled
from polyagent.domain.account import Actor
from polyagent.domain.finding import Finding
from polyagent.domain.selftest import SelftestOptions, SelftestReport
from polyagent.domain.startup import Prepared
from polyagent.domain.tool import Tool
from polyagent.ports.console import Console, UpOptions
from polyagent.settings import Documents, Settings, SettingsError

T = TypeVar("T")

COLLECT_AFTER = 10_000  # objects made and not yet freed
NOWHERE = "postgresql://localhost"  # nothing is asked of it

__all__ = [
    "asgi",
    "data_dir",
    "down",
    "endpoint",
    "examine",
    "migrate",
    "prepare",
    "reset",
    "selftest",
    "serve",
    "tools",
    "up",
    "worker",
]


def up(settings: Settings, options: UpOptions, console: Console) -> int:
    from polyagent.adapters.engines.plan import Plan
    from polyagent.adapters.engines.supervisor import up as supervise
    from polyagent.adapters.telemetry.together import counting_together

    settings = _with_neighbour(settings, options, console)
    server = settings.server
    if server.port == 0:
        raise SettingsError("server.port is 0, but `up` needs a port that its users can know.")
    listen = ("--host", server.host, "--port", str(server.port), "--workers", str(server.workers))
    place = data_dir(settings)
    with counting_together(place):
        plan = Plan(
            data_dir=place,
            host=server.host,
            port=server.port,
            postgres=settings.database.url is None,
            valkey=settings.redis.url is None,
            model=not settings.ai.each() or options.model_file is not None,
            model_file=options.model_file,
            model_elsewhere=next((ai.url for ai in settings.ai.each()), None),
            prepare=_command("prepare"),
            gateway=_command("serve", *listen),
            worker=_command("worker"),
            environment=_environment(settings),
        )
        return supervise(plan, console)


def _environment(settings: Settings) -> dict[str, str]:
    """Return what the children of an `up` find: ours, and what it alone decided."""
    ours = {UNDER_UP: "1", "POLYAGENT_DATA_DIR": str(data_dir(settings))}
    if settings.ai.url is not None:
        ours["PYTHON_AI_URL"] = settings.ai.url
    return {**os.environ, **ours}


def _with_neighbour(settings: Settings, options: UpOptions, console: Console) -> Settings:
    """Where no model is configured, offer one that already runs on this machine."""
    from polyagent.adapters.engines.neighbours import neighbour

    if settings.ai.each() or options.model_file is not None:
        return settings
    found = neighbour()
    if found is None:
        return settings
    if not options.ask:
        console.warn(f"{found.name} runs here; to use it: PYTHON_AI_URL={found.url}")
        return settings
    if not console.confirm(f"{found.name} runs here with {found.model}. Answer with it?"):
        return settings
    ai = msgspec.structs.replace(settings.ai, url=found.url)
    return msgspec.structs.replace(settings, ai=ai)


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "polyagent", *words)


def down(settings: Settings) -> bool:
    from polyagent.adapters.engines.control import down as stop

    return stop(data_dir(settings))


def reset(settings: Settings) -> None:
    from polyagent.adapters.engines.control import reset as erase

    erase(data_dir(settings))


def endpoint(settings: Settings) -> str:
    """Return where the data directory's running server answers, else where it would."""
    from polyagent.adapters.engines.endpoints import running

    if (found := running(data_dir(settings))) is not None and found.server_url:
        return found.server_url
    host = settings.server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


def serve(settings: Settings, *, reuse_port: bool) -> int:
    from polyagent.adapters.http.server import serve as listen
    from polyagent.adapters.telemetry.together import counting_together

    _require_sound(settings)
    hand_on(settled(settings))
    with counting_together(data_dir(settings)):
        return listen("polyagent.app:asgi", settings.server, reuse_port=reuse_port)


def _require_sound(settings: Settings) -> None:
    """Find here what is wrong with an operator's own, or with how documents are kept: a worker that cannot start is started again and again.

    Raises `SettingsError`.
    """
    from polyagent.app.finding import found
    from polyagent.app.library import container

    if not found().is_empty or settings.documents != Documents():
        container(settings)


def asgi() -> Any:
    """Return the ASGI application of one gateway process; granian calls this in each."""
    from polyagent.adapters.http.app import build
    from polyagent.adapters.http.drain import Drain
    from polyagent.adapters.telemetry.logging import configure_logging
    from polyagent.app.library import container
    from polyagent.app.running import executing

    settings = handed()
    configure_logging(settings.log, sys.stderr)
    use_cases = container(settings)

    def living(_: object) -> AbstractAsyncContextManager[None]:
        return _until_closed(use_cases, executing(use_cases))

    return build(use_cases, settings, Drain(), lifespan=[living])


@asynccontextmanager
async def _until_closed(
    use_cases: AsyncContainer, life: AbstractAsyncContextManager[None]
) -> AsyncIterator[None]:
    """Live that life until the block ends; then close the container."""
    from polyagent.app.watching import watched

    async with life, watched(use_cases):
        _settle_memory()
        yield
    await use_cases.close()


def _settle_memory() -> None:
    """Have the collector leave alone what lives as long as the process, and look less often.

    By its defaults it walks through all modules again and again: an eighth of a chat's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


def worker(settings: Settings) -> int:
    """Execute runs and do tasks until SIGTERM or Ctrl-C."""
    from polyagent.adapters.telemetry.logging import configure_logging

    settings = settled(settings)
    configure_logging(settings.log, sys.stderr)
    _run(_work(settings))
    return 0


async def _work(settings: Settings) -> None:
    from polyagent.app.library import container
    from polyagent.app.running import working
    from polyagent.app.watching import told

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    use_cases = container(settings)
    async with told(use_cases, settings), _until_closed(use_cases, working(use_cases)):
        await stop.wait()


def prepare(settings: Settings) -> Prepared:
    """Migrate the database; make the first administrator and the built-in agents."""
    from polyagent.adapters.telemetry.logging import configure_logging

    configure_logging(settings.log, sys.stderr)
    return _run(_prepare(settled(settings)))


async def _prepare(settings: Settings) -> Prepared:
    from polyagent.adapters.postgres.migrate import upgrade
    from polyagent.app.library import container
    from polyagent.app.running import furnished

    use_cases = container(settings)
    try:
        await upgrade(settings.database)
        return await furnished(use_cases, os.environ.get("POLYAGENT_ADMIN_PASSWORD") or None)
    finally:
        await use_cases.close()


def migrate(settings: Settings, revision: str, *, down: bool) -> str:
    """Bring the schema to a revision and return the one that it is at then."""
    ground = settings if settings.database.url else settled(settings)
    return _run(_migrate(ground, revision, down=down))


async def _migrate(settings: Settings, revision: str, *, down: bool) -> str:
    from polyagent.adapters.postgres.migrate import current, downgrade, upgrade

    await (downgrade if down else upgrade)(settings.database, revision)
    return await current(settings.database) or "base"


def tools(settings: Settings) -> Sequence[Tool]:
    """Return the tools that a server with these settings has; it needs none to run."""
    return _run(_tools(settings))


async def _tools(settings: Settings) -> Sequence[Tool]:
    from polyagent.app.library import container
    from polyagent.usecases.tools import UseTools

    database = msgspec.structs.replace(settings.database, url=settings.database.url or NOWHERE)
    use_cases = container(msgspec.structs.replace(settings, database=database))
    try:
        return (await use_cases.get(UseTools)).list(Actor.system())
    finally:
        await use_cases.close()


def examine(settings: Settings, tell: Callable[[Finding], None]) -> None:
    """Look at everything that a server stands on; `tell` gets what is found as it is found."""
    from polyagent.app.checkup import examine as look

    asyncio.run(look(settings, tell))


def selftest(
    settings: Settings, options: SelftestOptions, say: Callable[[str], None]
) -> SelftestReport:
    from polyagent.app.selftest import selftest as hold

    return _run(hold(settings, options, say))


def _run(work: Coroutine[Any, Any, T]) -> T:
    import uvloop

    return uvloop.run(work)
