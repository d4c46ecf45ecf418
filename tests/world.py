"""The vocabulary of the use cases' tests: one process over memory adapters, and a scripted model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from polyagent.adapters.jsonschema.schemas import RustSchemas
from polyagent.adapters.memory.documents.retrieval import MemoryRetrieval
from polyagent.adapters.memory.limits import MemoryPlaces
from polyagent.adapters.memory.models import ScriptedModels
from polyagent.adapters.memory.outbound import MemoryOutbound
from polyagent.adapters.memory.runs.backlog import MemoryBacklog
from polyagent.adapters.memory.runs.events import MemoryEvents
from polyagent.adapters.memory.runs.journal import MemoryJournal
from polyagent.adapters.memory.runs.runs import MemoryRuns
from polyagent.adapters.memory.signals import MemorySignals
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.system.clock import SystemClock
from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.adapters.worker.executor import LocalExecutor
from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.chat import Ask, Message, Part
from polyagent.domain.errors import ToolUnknown
from polyagent.domain.event import Event, EventBody
from polyagent.domain.ids import new_id
from polyagent.domain.image import ImageLimits
from polyagent.domain.model import CallDelta, Finished, ModelDelta
from polyagent.domain.page import PageAsk
from polyagent.domain.run import Admitted, IdempotencyKey, Run, RunDefaults
from polyagent.domain.tool import CallContext, Effect, Tool, ToolResult
from polyagent.domain.usage import Usage
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.audit import Audit
from polyagent.usecases.chat import SendChat
from polyagent.usecases.execute_run import ExecuteRun
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.oversight import Oversight
from polyagent.usecases.runs import ManageRuns
from polyagent.usecases.sessions import ManageSessions
from tests.searching import by_words

WAIT_S = 30
DEFAULTS = RunDefaults(max_steps=8, max_output_tokens=1000, timeout_s=60)
IMAGE_LIMITS = ImageLimits(count=4, bytes_each=1000, total_bytes=2000, fetch_s=30)

Function = Callable[[Mapping[str, Any], CallContext], Awaitable[ToolResult]]


class Toolbox:
    """Tools that a test hands in; `witnessed` are the calls that were really made, with their keys."""

    def __init__(self) -> None:
        self.witnessed: list[tuple[str, Mapping[str, Any], str]] = []
        self._tools: dict[str, tuple[Tool, Function]] = {}
        self.add("lookup", _lookup)

    def add(self, name: str, function: Function, *, effect: Effect = "read") -> None:
        schema = {"type": "object", "properties": {}}
        tool = Tool(name=name, description=name, parameters=schema, effect=effect)
        self._tools[name] = (tool, function)

    def list(self) -> Sequence[Tool]:
        return [tool for tool, _ in self._tools.values()]

    def get(self, name: str) -> Tool:
        if name not in self._tools:
            raise ToolUnknown(f"There is no tool {name!r} here.")
        return self._tools[name][0]

    async def call(
        self, name: str, arguments: Mapping[str, Any], context: CallContext
    ) -> ToolResult:
        self.get(name)
        self.witnessed.append((name, arguments, context.idempotency_key))
        return await self._tools[name][1](arguments, context)


async def _lookup(arguments: Mapping[str, Any], context: CallContext) -> ToolResult:
    return ToolResult(state="done", result={"found": arguments.get("q")})


class World:
    def __init__(
        self,
        state: State,
        *,
        models: ScriptedModels,
        defaults: RunDefaults,
        concurrent_runs: int,
        user_runs: int,
    ) -> None:
        self.clock = SystemClock()
        self.models = models
        self.tools = Toolbox()
        self.schemas = RustSchemas()
        self.runs = MemoryRuns(state, self.clock)
        self.journal = MemoryJournal(state, self.clock)
        self.events = MemoryEvents(120, self.clock)
        self.store = MemoryStore(state, self.clock)
        self.retrieval = MemoryRetrieval(state)
        self.actor = Actor(
            user_id=new_id(), workspace_id=Actor.system().workspace_id, role="member"
        )
        execute = ExecuteRun(
            self.journal,
            self.models,
            self.tools,
            self.events,
            self.clock,
            PrometheusMeter(),
            self.schemas,
            defaults,
        )
        self.executor = LocalExecutor(
            execute,
            self.journal,
            self.events,
            MemorySignals(),
            self.clock,
            state.queue,
            MemoryBacklog(state),
            MemoryPlaces(),
            user_runs=user_runs,
            concurrent_runs=concurrent_runs,
            drain_s=WAIT_S,
        )
        self.web = MemoryOutbound()
        self.send = SendChat(
            self.runs,
            self.executor,
            self.models,
            self.tools,
            self.web,
            IMAGE_LIMITS,
            self.schemas,
            by_words(self.retrieval),
        )
        audit = Audit(self.store, self.clock)
        oversight = Oversight(self.runs, audit)
        self.follow = FollowRun(self.runs, self.events, self.clock, oversight)
        self.manage = ManageRuns(self.runs, self.executor, oversight)
        self.sessions = ManageSessions(self.store, self.executor, audit)
        self.agents = ManageAgents(
            self.store, self.tools, self.models, self.clock, audit, self.retrieval
        )

    async def asks(
        self, message: str | tuple[Part, ...], key: IdempotencyKey | None = None, **ask: Any
    ) -> Admitted:
        return await self.send(self.actor, Ask(message=message, **ask), key=key)

    async def has_agent(self, **new: Any) -> Agent:
        return await self.agents.create(
            self.actor, NewAgent(**{"name": "helper", "tools": ("lookup",), **new})
        )

    async def events_of(self, run: Run, after: int = 0) -> list[Event]:
        """Return every event of the run up to its end."""
        async with asyncio.timeout(WAIT_S):
            return [event async for event in self.follow(self.actor, run, after) if event]

    async def story(self, run: Run) -> list[EventBody]:
        return [event.body for event in await self.events_of(run)]

    async def until(self, run: Run, kind: type[Any]) -> Any:
        """Wait for the first event of that kind and return it."""
        async with asyncio.timeout(WAIT_S):
            async for event in self.follow(self.actor, run, 0):
                if event is not None and isinstance(event.body, kind):
                    return event.body
        raise AssertionError(f"the run ended without {kind.__name__}")

    async def messages(self, session_id: UUID | None) -> Sequence[Message]:
        assert session_id is not None
        page = PageAsk(limit=100, order="asc")
        return (await self.sessions.messages(self.actor, session_id, page)).items


@asynccontextmanager
async def living(
    state: State | None = None,
    *,
    models: ScriptedModels | None = None,
    defaults: RunDefaults = DEFAULTS,
    concurrent_runs: int = 16,
    user_runs: int = 16,
) -> AsyncIterator[World]:
    """A world whose process beats and claims; its workspace has the built-in agents."""
    fresh = state is None
    world = World(
        state or State(),
        models=models or ScriptedModels(),
        defaults=defaults,
        concurrent_runs=concurrent_runs,
        user_runs=user_runs,
    )
    async with world.executor.running(), asyncio.timeout(4 * WAIT_S):
        while not world.executor.is_open:
            await asyncio.sleep(0)
        if fresh:
            world.tools.add("calculator", _lookup)
            await world.agents.make_builtin()
        yield world


def called(*calls: tuple[str, str]) -> list[ModelDelta]:
    """Return the script of an answer that asks for tools: pairs of a name and the text of arguments."""
    deltas: list[ModelDelta] = [
        CallDelta(index, arguments, name) for index, (name, arguments) in enumerate(calls)
    ]
    usage = Usage(input_tokens=1, output_tokens=1, total_tokens=2)
    return [*deltas, Finished(reason="tool_calls", model="scripted", usage=usage)]
