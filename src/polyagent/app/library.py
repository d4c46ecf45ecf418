"""PolyAgent as a library: a container of use cases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dishka import AsyncContainer, Provider, make_async_container

from polyagent.app.extension import extension
from polyagent.app.ground import settled
from polyagent.settings import Settings

OPEN_WAIT_S = 3.0


def container(settings: Settings, *overrides: Provider) -> AsyncContainer:
    """Return the use cases over the real engines; a provider in `overrides` replaces any port.

    So do those of POLYAGENT_APP. Close it in the end. The graph is checked here, before anything
    connects. Raises `SettingsError`.
    """
    from polyagent.adapters.functions.provider import FunctionsProvider
    from polyagent.adapters.memory.provider import LiveLogsProvider
    from polyagent.adapters.openai.provider import OpenAIProvider
    from polyagent.adapters.postgres.provider import PostgresProvider
    from polyagent.adapters.redis.provider import RedisEventsProvider, RedisProvider
    from polyagent.adapters.system.provider import SystemProvider
    from polyagent.adapters.telemetry.provider import TelemetryProvider
    from polyagent.adapters.vault.provider import VaultProvider
    from polyagent.adapters.web.provider import WebProvider
    from polyagent.adapters.worker.provider import WorkerProvider
    from polyagent.app.providers import HealthProvider, SettingsProvider, UseCaseProvider

    return make_async_container(
        SettingsProvider(),
        SystemProvider(),
        TelemetryProvider(),
        VaultProvider(),
        PostgresProvider(),
        RedisProvider(),
        RedisEventsProvider(),
        LiveLogsProvider(),
        OpenAIProvider(),
        WebProvider(),
        FunctionsProvider(),
        WorkerProvider(),
        HealthProvider(),
        UseCaseProvider(),
        *extension(),
        *overrides,
        context={Settings: settings},
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[AsyncContainer]:
    """Use cases on what is configured, or on the engines of a running `up`; nothing executes here.

    Raises `SettingsError`, `EngineError`.
    """
    use_cases = container(settled(settings, wait_s=OPEN_WAIT_S))
    try:
        yield use_cases
    finally:
        await use_cases.close()
