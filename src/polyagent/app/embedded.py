"""PolyAgent on the real engines, in the care of this process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
from dishka import AsyncContainer, Provider

from polyagent.app.extension import App
from polyagent.app.ground import with_secret
from polyagent.app.library import container
from polyagent.app.polyagent import PolyAgent
from polyagent.app.running import furnished, living
from polyagent.domain.account import Actor
from polyagent.domain.errors import NotFound
from polyagent.ports.store import Store
from polyagent.settings import Settings


@asynccontextmanager
async def embedded(
    *overrides: App | Provider,
    data_dir: str | Path | None = None,
    model: bool = False,
    settings: Settings | None = None,
) -> AsyncIterator[PolyAgent]:
    """Give PolyAgent on a PostgreSQL and a Valkey of its own, which end with this process, however it ends.

    Everything is kept in `data_dir`; None: in a directory that is gone afterwards. Engines that
    `settings` place elsewhere are used there. `model` asks for the packaged model too; where it
    cannot run there is none, and a warning says why. Runs are executed here. The engines start in
    about two seconds, on an old directory in a few tenths of one. Plugins and POLYAGENT_APP count, as
    in a server. Raises `EngineError`, also while another process holds the directory, and
    `SettingsError`.
    """
    from polyagent.adapters.postgres.migrate import upgrade
    from polyagent.adapters.telemetry.logging import configure_library_logging

    configure_library_logging()
    async with AsyncExitStack() as stack:
        ready = await _on_engines(stack, data_dir, settings or Settings(), model=model)
        use_cases = container(ready, *overrides)
        await upgrade(ready.database)
        await stack.enter_async_context(living(use_cases))
        prepared = await furnished(use_cases, None)
        yield PolyAgent(use_cases, await _actor(use_cases, prepared.username))


async def _on_engines(
    stack: AsyncExitStack, data_dir: str | Path | None, settings: Settings, *, model: bool
) -> Settings:
    """Start the engines that `settings` do not name, until the stack ends, and return settings that name all."""
    import structlog

    from polyagent.adapters.engines.held import held
    from polyagent.adapters.engines.reports import Wanted
    from polyagent.adapters.engines.throwaway import throwaway_directory
    from polyagent.app.standing import standing_on

    log = structlog.get_logger("polyagent.engines")
    place = Path(data_dir) if data_dir else stack.enter_context(throwaway_directory())
    wanted = Wanted(
        data_dir=str(place.absolute()),
        postgres=settings.database.url is None,
        valkey=settings.redis.url is None,
        model=model and not settings.ai.each(),
        throwaway=not data_dir,
    )
    engines = await stack.enter_async_context(held(wanted, say=log.info, warn=log.warning))
    if model and engines.endpoints.ai_url is None and engines.model_note is not None:
        log.warning("There is no model", why=engines.model_note)
    here = msgspec.structs.replace(settings, data_dir=wanted.data_dir)
    return with_secret(standing_on(here, engines.endpoints), joined=True)


async def _actor(use_cases: AsyncContainer, username: str) -> Actor:
    store: Store = await use_cases.get(Store)
    async with store.begin(Actor.system()) as tx:
        account = await tx.accounts.by_login(username=username, email=None)
    if account is None:
        raise NotFound(f"There is no user named {username}.")
    user = account.user
    return Actor(user_id=user.id, workspace_id=user.workspace_id, role=user.role)
