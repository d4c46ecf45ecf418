"""One process among several in one: it has wrapped ports of its own, and it can die and sleep."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from polyagent.adapters.jsonschema.schemas import RustSchemas
from polyagent.adapters.memory.limits import MemoryPlaces
from polyagent.adapters.memory.outbound import MemoryOutbound
from polyagent.adapters.memory.runs.events import MemoryEvents
from polyagent.adapters.memory.signals import MemorySignals
from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.adapters.worker.executor import LocalExecutor
from polyagent.domain.agent import Agent
from polyagent.domain.image import ImageLimits
from polyagent.domain.run import RunDefaults, Work
from polyagent.ports.clock import Clock
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.ports.events import Events
from polyagent.ports.executor import Control, Executor
from polyagent.ports.journal import Journal
from polyagent.ports.limits import Places
from polyagent.ports.models import Models
from polyagent.ports.outbound import Outbound
from polyagent.ports.queue import Backlog, Queue
from polyagent.ports.runs import Runs
from polyagent.ports.schemas import Schemas
from polyagent.ports.signals import Signals
from polyagent.ports.store import Store
from polyagent.ports.tools import Tools
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.audit import Audit
from polyagent.usecases.chat import SendChat
from polyagent.usecases.execute_run import ExecuteRun
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.oversight import Oversight
from polyagent.usecases.runs import ManageRuns
from polyagent.usecases.sessions import ManageSessions
from tests.fault_plan import Plan, victim
from tests.faults import faulty
from tests.script import Ledger, ScriptModels, ScriptTools
from tests.searching import by_words

T = TypeVar("T")

DEFAULTS = RunDefaults(max_steps=20, max_output_tokens=100_000, timeout_s=300)
IMAGES = ImageLimits(count=4, bytes_each=1000, total_bytes=2000, fetch_s=30)
CONCURRENT_RUNS = 16
DRAIN_S = 5.0


class Ground(Protocol):
    """What the processes stand on, which outlives them."""

    clock: Clock
    pace_s: float
    queue: Queue

    def runs(self) -> Runs: ...

    def backlog(self) -> Backlog: ...

    def journal(self) -> Journal: ...

    def store(self) -> Store: ...

    def retrieval(self) -> Retrieval: ...

    async def put_agent(self, agent: Agent) -> None: ...

    async def bury(self, journal: Journal, worker_id: UUID) -> None:
        """Take away what only a living process has."""

    async def admitted(self) -> Sequence[UUID]:
        """Return every run, in the order of admission."""


class _Execution(ExecuteRun):
    """An execution that a planned cancellation hits as a whole."""

    async def __call__(self, work: Work, control: Control) -> None:
        victim.set(asyncio.current_task())
        await super().__call__(work, control)


class Process:
    """One process: an executor and the use cases, every port behind the wrapper that `plan` rules."""

    def __init__(self, name: str, ground: Ground, plan: Plan, ledger: Ledger) -> None:
        self.name = name
        self.plan = plan
        self._ground = ground
        self._journal = ground.journal()
        clock: Clock = faulty(Clock, ground.clock, plan)
        journal: Journal = faulty(Journal, self._journal, plan)
        runs: Runs = faulty(Runs, ground.runs(), plan)
        store: Store = faulty(Store, ground.store(), plan)
        retrieval: Retrieval = faulty(Retrieval, ground.retrieval(), plan)
        events: Events = faulty(Events, MemoryEvents(120, ground.clock), plan)
        signals: Signals = faulty(Signals, MemorySignals(), plan)
        queue: Queue = faulty(Queue, ground.queue, plan)
        backlog: Backlog = faulty(Backlog, ground.backlog(), plan)
        places: Places = faulty(Places, MemoryPlaces(), plan)
        models: Models = faulty(Models, ScriptModels(ground.clock, ground.pace_s), plan)
        tools: Tools = faulty(Tools, ScriptTools(ground.clock, ground.pace_s, ledger, name), plan)
        schemas: Schemas = faulty(Schemas, RustSchemas(), plan)
        meter = PrometheusMeter()
        execute = _Execution(journal, models, tools, events, clock, meter, schemas, DEFAULTS)
        self.local = LocalExecutor(
            execute,
            journal,
            events,
            signals,
            clock,
            queue,
            backlog,
            places,
            user_runs=CONCURRENT_RUNS,
            concurrent_runs=CONCURRENT_RUNS,
            drain_s=DRAIN_S,
        )
        executor: Executor = faulty(Executor, self.local, plan)
        web: Outbound = faulty(Outbound, MemoryOutbound(), plan)
        self.send = SendChat(
            runs, executor, models, tools, web, IMAGES, schemas, by_words(retrieval)
        )
        audit = Audit(store, clock)
        oversight = Oversight(runs, audit)
        self.follow = FollowRun(runs, events, clock, oversight)
        self.manage = ManageRuns(runs, executor, oversight)
        self.sessions = ManageSessions(store, executor, audit)
        self.agents = ManageAgents(store, tools, models, clock, audit, retrieval)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._main = asyncio.create_task(self._live())
        self._watch = asyncio.create_task(self._die_with_plan())

    async def _live(self) -> None:
        async with self.local.running():
            await asyncio.Event().wait()

    async def _die_with_plan(self) -> None:
        """Wherever the plan killed the process, end what of it still runs."""
        await self.plan.death.wait()
        await self._end([self._main, *self._tasks, *self._executions()])
        await self._ground.bury(self._journal, self.local.worker_id)

    def _executions(self) -> list[asyncio.Task[None]]:
        return [handle.task for handle in self.local._handles.values() if handle.task is not None]

    async def _end(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_alive(self) -> bool:
        return not self.plan.is_dead and not self._main.done()

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Do something that ends with the process: a request, a reader."""
        task = asyncio.create_task(_as_victim(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # it may have ended before it began
        return task

    async def dies(self) -> None:
        """Be killed: nothing of it runs any more, and what it was about to do it does not."""
        self.plan.kill()
        await self.death()

    async def death(self) -> None:
        """Wait until it was killed and everything of it has ended."""
        await asyncio.shield(self._watch)

    async def drains(self) -> None:
        """End in good order."""
        self.plan.resume()
        self._main.cancel()
        await asyncio.wait([self._main])
        await self.dies()


async def _as_victim(work: Coroutine[Any, Any, T]) -> T:
    victim.set(asyncio.current_task())
    return await work
