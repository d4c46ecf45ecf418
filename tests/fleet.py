"""Several processes in one: each with wrapped ports of its own, over one journal; they die and wake."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol, TypeVar
from uuid import UUID

from polyagent.adapters.memory.events import MemoryEvents
from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.adapters.worker.executor import LocalExecutor
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.agent import Agent, InDoubt
from polyagent.domain.chat import Ask, Message
from polyagent.domain.errors import Unavailable
from polyagent.domain.event import Event
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import Admitted, IdempotencyKey, Run, RunDefaults, Work
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events
from polyagent.ports.executor import Control, Executor
from polyagent.ports.journal import Journal
from polyagent.ports.models import Models
from polyagent.ports.runs import Runs
from polyagent.ports.store import Store
from polyagent.ports.tools import Tools
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.chat import SendChat
from polyagent.usecases.execute_run import ExecuteRun
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.runs import ManageRuns
from polyagent.usecases.sessions import ManageSessions
from tests.fault_plan import Killed, Kind, Plan, victim
from tests.faults import faulty
from tests.invariants import (
    check_calls,
    check_end,
    check_numbers,
    check_reader,
    check_session,
)
from tests.script import EFFECTS, Ledger, ScriptModels, ScriptTools

T = TypeVar("T")

DEFAULTS = RunDefaults(max_steps=20, max_output_tokens=100_000, timeout_s=300)
CONCURRENT_RUNS = 16
DRAIN_S = 5.0
PAUSE_S = 0.1
REST_S = 240.0


class Ground(Protocol):
    """What the processes stand on, which outlives them."""

    clock: Clock
    pace_s: float

    def runs(self) -> Runs: ...

    def journal(self) -> Journal: ...

    def store(self) -> Store: ...

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
        events: Events = faulty(Events, MemoryEvents(120, ground.clock), plan)
        models: Models = faulty(Models, ScriptModels(ground.clock, ground.pace_s), plan)
        tools: Tools = faulty(Tools, ScriptTools(ground.clock, ground.pace_s, ledger, name), plan)
        meter = PrometheusMeter()
        execute = _Execution(journal, models, tools, events, clock, meter, DEFAULTS)
        self.local = LocalExecutor(
            execute, journal, events, clock, concurrent_runs=CONCURRENT_RUNS, drain_s=DRAIN_S
        )
        executor: Executor = faulty(Executor, self.local, plan)
        self.send = SendChat(runs, executor, models, tools)
        self.follow = FollowRun(runs, events)
        self.manage = ManageRuns(runs, executor)
        self.sessions = ManageSessions(store, executor)
        self.agents = ManageAgents(store, tools, models, clock)
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


def is_broken(task: asyncio.Task[Any]) -> bool:
    """Say whether a request ended without an answer, or with one that says to try again."""
    return task.cancelled() or isinstance(task.exception(), Unavailable | Killed)


class Reader:
    """A client that follows a run, and comes back to any process that lives with the last id it saw."""

    def __init__(self, fleet: "Fleet", run: Run, after: int = 0) -> None:
        self.run = run
        self.after = after
        self.seen: list[Event] = []
        self._fleet = fleet
        self._connection: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._read())

    @property
    def at(self) -> int:
        return self.seen[-1].id if self.seen else self.after

    async def _read(self) -> None:
        n = 0
        while True:
            process = self._fleet.any_process(n := n + 1)
            self._connection = process.spawn(self._connected(process))
            await asyncio.wait([self._connection])
            if not is_broken(self._connection):
                return self._connection.result()
            await self._fleet.ground.clock.sleep(PAUSE_S)

    async def _connected(self, process: Process) -> None:
        actor = self._fleet.actor
        if not await process.follow.check(actor, self.run.id, self.at):
            return
        async for event in process.follow(actor, self.run, self.at):
            if event is not None:
                self.seen.append(event)

    def disconnect(self) -> None:
        """Lose the connection; the client comes back by itself."""
        if self._connection is not None:
            self._connection.cancel()

    async def detach(self) -> None:
        self._task.cancel()
        self.disconnect()
        await asyncio.wait([self._task])

    async def reads_to_the_end(self) -> None:
        await self._task


def _is_void(run: Run) -> bool:
    """Say whether another run may have come under its key."""
    return run.error is not None and run.error.retryable


def _idempotency_key(key: str | None, play: str) -> IdempotencyKey | None:
    if key is None:
        return None
    return IdempotencyKey(key=key, route="/chat", body_hash=sha256(play.encode()).digest())


class Fleet:
    """The processes, those who ask them, and what is to hold in the end."""

    def __init__(self, ground: Ground, *, seed: int = 0) -> None:
        self.ground = ground
        self.seed = seed
        self.actor = Actor(user_id=new_id(), workspace_id=DEFAULT_WORKSPACE, role="member")
        self.ledger: Ledger = []
        self.processes: list[Process] = []
        self.readers: list[Reader] = []
        self.acknowledged: list[Run] = []
        self.defects: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(self._note)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what nobody awaited and went wrong, unless it was a death."""
        if not isinstance(context.get("exception"), Killed):
            self.defects.append(context)

    async def opens(self, in_doubt: InDoubt = "tell_model") -> None:
        now = self.ground.clock.now()
        self.agent = Agent(
            id=new_id(),
            workspace_id=DEFAULT_WORKSPACE,
            owner_id=self.actor.user_id,
            version=1,
            name="actor",
            tools=tuple(EFFECTS),
            in_doubt=in_doubt,
            created_at=now,
            updated_at=now,
        )
        await self.ground.put_agent(self.agent)

    def starts(self, *, rate: float = 0.0, exactly: Mapping[str, Kind] | None = None) -> Process:
        n = len(self.processes)
        plan = Plan(self.ground.clock, seed=self.seed * 1000 + n, rate=rate, exactly=exactly)
        process = Process(f"P{n}", self.ground, plan, self.ledger)
        self.processes.append(process)
        return process

    @property
    def living(self) -> list[Process]:
        return [process for process in self.processes if process.is_alive]

    def any_process(self, n: int) -> Process:
        living = self.living or [self.starts()]
        return living[n % len(living)]

    async def asks(
        self, process: Process, play: str, *, key: str | None = None, **ask: Any
    ) -> Admitted | None:
        """Send a message; None if the client was told, or had to believe, that it failed."""
        message = Ask(
            message=play, agent_id=self.agent.id, metadata={"key": key} if key else {}, **ask
        )
        task = process.spawn(process.send(self.actor, message, key=_idempotency_key(key, play)))
        await asyncio.wait([task])
        if is_broken(task):
            return None
        admitted = task.result()
        self.acknowledged.append(admitted.run)
        return admitted

    def follows(self, run: Run, after: int = 0) -> Reader:
        reader = Reader(self, run, after)
        self.readers.append(reader)
        return reader

    async def calms_down(self) -> None:
        """Stop all faults, and see that at least one process lives."""
        for process in self.processes:
            process.plan.stop()
            process.plan.resume()
        if not self.living:
            self.starts()

    async def rests(self) -> None:
        """Wait until every run has ended and every reader has read that."""
        async with asyncio.timeout(REST_S):
            while any(not run.is_final for run in [*await self.runs()]):
                await self.ground.clock.sleep(PAUSE_S)
            for reader in self.readers:
                await reader.reads_to_the_end()

    async def runs(self) -> list[Run]:
        runs = self.ground.runs()
        return [await runs.get(self.actor, run_id) for run_id in await self.ground.admitted()]

    async def events(self, run_id: UUID) -> Sequence[Event]:
        return (await self.ground.runs().events(self.actor, run_id, 0, limit=100_000))[1]

    async def checks(self) -> None:
        """Check everything that RUNS.md promises of runs that are at rest."""
        runs = {run.id: run for run in await self.runs()}
        assert self.defects == []
        assert {run.id for run in self.acknowledged} <= set(runs)
        keys = Counter(r.metadata["key"] for r in runs.values() if r.metadata and not _is_void(r))
        assert set(keys.values()) <= {1}, "two runs under one idempotency key"
        for run in runs.values():
            events = await self.events(run.id)
            check_end(run, events)
            check_numbers(events)
            check_calls(run, events, self.ledger)
        for session_id in {run.session_id for run in runs.values()}:
            check_session(await self._messages(session_id), [*runs])
        for reader in self.readers:
            check_reader(reader.seen, await self.events(reader.run.id), reader.after)

    async def _messages(self, session_id: UUID | None) -> Sequence[Message]:
        assert session_id is not None
        async with self.ground.store().begin(self.actor) as tx:
            page = await tx.sessions.messages(session_id, PageAsk(limit=1000, order="asc"))
        return page.items

    async def closes(self) -> None:
        for reader in self.readers:
            await reader.detach()
        for process in self.processes:
            await process.dies()
