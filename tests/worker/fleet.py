"""Processes of the product in one event loop: each with its own connections, over real engines."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

from dishka import AsyncContainer, Provider, Scope

from polyagent.adapters.memory.models import ScriptedModels
from polyagent.adapters.redis.client import redis_client
from polyagent.adapters.worker.executor import LocalExecutor
from polyagent.app import container
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.chat import Ask, Message, text_of
from polyagent.domain.ids import new_id
from polyagent.domain.model import ModelDelta, Prompt
from polyagent.domain.page import PageAsk
from polyagent.domain.run import Run
from polyagent.ports.models import Models
from polyagent.ports.queue import Queue
from polyagent.settings import Auth, Database, Limits, Redis, Settings
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.chat import SendChat
from polyagent.usecases.runs import ManageRuns
from polyagent.usecases.sessions import ManageSessions

PATIENCE_S = 60.0
POLL_S = 0.02
ALL = PageAsk(limit=100, order="asc")


class GatedModels(ScriptedModels):
    """Answers while its gate is open; `asked` are the last words of each call, in the order of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        self.asked.append(text_of(prompt.messages[-1].parts))
        await self.gate.wait()
        async with aclosing(super().stream(prompt)) as deltas:
            async for delta in deltas:
                yield delta


class Process:
    def __init__(
        self,
        use_cases: AsyncContainer,
        send: SendChat,
        runs: ManageRuns,
        sessions: ManageSessions,
        executor: LocalExecutor,
        queue: Queue,
    ) -> None:
        self.use_cases = use_cases
        self.send = send
        self.runs = runs
        self.sessions = sessions
        self.executor = executor
        self.queue = queue

    async def asks(self, actor: Actor, message: str, **ask: Any) -> Run:
        return (await self.send(actor, Ask(message=message, **ask))).run

    async def queues(self, actor: Actor, message: str, **ask: Any) -> Run:
        return await self.asks(actor, message, background=True, **ask)

    async def ends(self, actor: Actor, *runs: Run) -> list[str]:
        """Wait until the runs have ended, and return how."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                now = [await self.runs.get(actor, run.id) for run in runs]
                if all(run.is_final for run in now):
                    return [run.status for run in now]
                await asyncio.sleep(POLL_S)

    async def messages(self, actor: Actor, session_id: UUID | None) -> Sequence[Message]:
        assert session_id is not None
        return (await self.sessions.messages(actor, session_id, ALL)).items


class Fleet:
    def __init__(self, database_url: str, redis_url: str) -> None:
        self.models = GatedModels()
        self.ann, self.bob = (
            Actor(user_id=new_id(), workspace_id=DEFAULT_WORKSPACE, role="member") for _ in "ab"
        )
        self._database = Database(url=database_url)
        self._redis = Redis(url=redis_url)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Fleet":
        async with self._use_cases(places=1) as use_cases:
            await (await use_cases.get(ManageAgents)).make_builtin()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.models.gate.set()
        await self._stack.aclose()

    async def idle(self) -> Process:
        """Return a process that executes nothing."""
        return await self._process(await self._stack.enter_async_context(self._use_cases(places=1)))

    async def joins(self, *, places: int = 16) -> Process:
        """Return a process that executes so many runs at once."""
        use_cases = await self._stack.enter_async_context(self._use_cases(places=places))
        process = await self._process(use_cases)
        await self._stack.enter_async_context(process.executor.running())
        async with asyncio.timeout(PATIENCE_S):
            while not process.executor.is_open:
                await asyncio.sleep(POLL_S)
        return process

    async def asked(self, n: int) -> list[str]:
        """Wait until the model was called so often."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.models.asked) < n:
                await asyncio.sleep(POLL_S)
        return self.models.asked

    async def waiting(self, n: int) -> None:
        """Wait until so many processes wait for what comes into the queue."""
        async with redis_client(self._redis) as redis, asyncio.timeout(PATIENCE_S):
            while (await redis.info("clients"))["blocked_clients"] < n:
                await asyncio.sleep(POLL_S)

    @asynccontextmanager
    async def _use_cases(self, *, places: int) -> AsyncIterator[AsyncContainer]:
        models = Provider(scope=Scope.APP)
        models.provide(lambda: self.models, provides=Models)
        settings = Settings(
            database=self._database,
            redis=self._redis,
            auth=Auth(jwt_secret="a-secret-that-only-these-tests-know-of"),
            limits=Limits(concurrent_runs=places),
        )
        use_cases = container(settings, models)
        yield use_cases
        await use_cases.close()

    async def _process(self, use_cases: AsyncContainer) -> Process:
        return Process(
            use_cases,
            await use_cases.get(SendChat),
            await use_cases.get(ManageRuns),
            await use_cases.get(ManageSessions),
            await use_cases.get(LocalExecutor),
            await use_cases.get(Queue),
        )
