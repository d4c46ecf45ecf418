"""The application over memory adapters, with people who use it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka import AsyncContainer, Provider, Scope, make_async_container, provide
from litestar import Litestar

from polyagent.adapters.extraction.provider import ExtractionProvider
from polyagent.adapters.functions.provider import FunctionsProvider
from polyagent.adapters.http.app import build
from polyagent.adapters.http.drain import Drain
from polyagent.adapters.jsonschema.provider import SchemasProvider
from polyagent.adapters.kinds.provider import KindsProvider
from polyagent.adapters.memory.models import ScriptedModels
from polyagent.adapters.memory.provider import (
    LiveLogsProvider,
    MemoryEventsProvider,
    MemoryProvider,
)
from polyagent.adapters.openai.ranking.provider import RankingProvider
from polyagent.adapters.system.provider import SystemProvider
from polyagent.adapters.telemetry.provider import TelemetryProvider
from polyagent.adapters.vault.provider import VaultProvider
from polyagent.adapters.web.provider import WebProvider
from polyagent.adapters.worker.executor import LocalExecutor
from polyagent.adapters.worker.provider import WorkerProvider
from polyagent.app.providers import SettingsProvider, UseCaseProvider
from polyagent.domain.account import Account, Actor, Role, User
from polyagent.domain.errors import ModelUnknown, PolyAgentError
from polyagent.domain.health import Component
from polyagent.domain.ids import new_id
from polyagent.domain.model import ModelDelta, ModelInfo, Prompt
from polyagent.ports.health import Probe
from polyagent.ports.models import Models
from polyagent.ports.store import Store
from polyagent.ports.vault import TokenRing
from polyagent.settings import Auth, Server, Settings
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.health import CheckHealth
from tests.api.client import Answer, Client

SECRET = "a-secret-that-only-these-tests-know-of"
SETTINGS = Settings(auth=Auth(jwt_secret=SECRET))
DRAIN_S = 0.2


class GatedModels(ScriptedModels):
    """Speaks while its gate is open; `asked` is set once it was called. `known` are its models, None: any; `lost` is what is told of each."""

    def __init__(self) -> None:
        super().__init__()
        self.known: frozenset[str] | None = None
        self.lost: PolyAgentError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        self.asked.set()
        await self.gate.wait()
        async with aclosing(super().stream(prompt)) as deltas:
            async for delta in deltas:
                yield delta

    async def info(self, model: str | None) -> ModelInfo:
        if self.lost is not None:
            raise self.lost
        if self.known is not None and model is not None and model not in self.known:
            raise ModelUnknown(f"There is no model {model} here.")
        return await super().info(model)


class Switch:
    """A component that is as a test says."""

    def __init__(self) -> None:
        self.component = Component(status="ok", latency_ms=0.1)

    async def check(self) -> Component:
        return self.component


class HouseProvider(Provider):
    """What the real process has from elsewhere: model services, and probes."""

    scope = Scope.APP

    def __init__(self, models: GatedModels, postgres: Switch) -> None:
        super().__init__()
        self._models = models
        self._postgres = postgres

    @provide
    def models(self) -> Models:
        return self._models

    @provide
    def health(self) -> CheckHealth:
        probes: dict[str, Probe] = {"postgres": self._postgres}
        return CheckHealth(probes)


class House:
    def __init__(self, settings: Settings, *overrides: Provider) -> None:
        self.models = GatedModels()
        self.postgres = Switch()
        self.drain = Drain()
        self.container: AsyncContainer = make_async_container(
            SettingsProvider(),
            SystemProvider(),
            TelemetryProvider(),
            VaultProvider(),
            MemoryProvider(),
            MemoryEventsProvider(),
            LiveLogsProvider(),
            WebProvider(),
            SchemasProvider(),
            FunctionsProvider(),
            KindsProvider(),
            ExtractionProvider(),
            RankingProvider(),
            WorkerProvider(),
            UseCaseProvider(),
            HouseProvider(self.models, self.postgres),
            *overrides,
            context={Settings: settings},
        )
        self.app = build(self.container, settings, self.drain, lifespan=[self._living])
        self.nobody = Client(self.app)
        self.ann = self.bob = self.vic = self.root = self.nobody

    @asynccontextmanager
    async def open(self) -> AsyncIterator["House"]:
        async with self.app.lifespan():
            yield self
        await self.container.close()

    async def furnish(self) -> None:
        await (await self.container.get(ManageAgents)).make_builtin()
        self.ann = await self.moves_in("ann", "member")
        self.bob = await self.moves_in("bob", "member")
        self.vic = await self.moves_in("vic", "viewer")
        self.root = await self.moves_in("root", "admin")

    async def moves_in(self, name: str, role: Role, *, password_hash: str = "none") -> Client:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        user = User(
            id=new_id(),
            workspace_id=Actor.system().workspace_id,
            username=name,
            email=f"{name}@house.example",
            role=role,
            created_at=now,
            updated_at=now,
        )
        store = await self.container.get(Store)
        async with store.begin(Actor.system()) as tx:
            await tx.accounts.add(Account(user=user, password_hash=password_hash))
        token, _ = (await self.container.get(TokenRing)).issue(user.id, 1)
        return self.nobody.with_token(token)

    @asynccontextmanager
    async def _living(self, _: Litestar) -> AsyncIterator[None]:
        executor = await self.container.get(LocalExecutor)
        async with executor.running():
            await self.furnish()
            yield

    async def agent(self, client: Client, **new: Any) -> Any:
        answer = await client.post("/api/v1/agents", {"name": "helper", **new})
        assert answer.status == 201, answer.body
        return answer.json

    async def chat(self, client: Client, message: str = "hi", **ask: Any) -> Answer:
        return await client.post("/api/v1/chat", {"message": message, **ask})


@asynccontextmanager
async def lived_in(**server: Any) -> AsyncIterator[House]:
    settings = msgspec.structs.replace(SETTINGS, server=Server(**{"drain_s": DRAIN_S, **server}))
    async with House(settings).open() as house:
        yield house


@asynccontextmanager
async def in_one_task(life: AbstractAsyncContextManager[House]) -> AsyncIterator[House]:
    """Live it in one task from beginning to end: the framework's lifespan holds cancel scopes."""
    opened: asyncio.Queue[House] = asyncio.Queue()
    closing = asyncio.Event()

    async def live() -> None:
        async with life as house:
            await opened.put(house)
            await closing.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield await opened.get()
        closing.set()


def without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}


def some_id() -> UUID:
    return new_id()
