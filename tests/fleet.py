"""Several processes over one journal, those who ask them and read, and what is to hold in the end."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from polyagent.domain.account import DEFAULT_WORKSPACE, Account, Actor, User
from polyagent.domain.agent import Agent, InDoubt
from polyagent.domain.chat import Ask, Message
from polyagent.domain.errors import Unavailable
from polyagent.domain.event import Event
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import Admitted, IdempotencyKey, Run
from polyagent.domain.webhook import Webhook
from tests.fault_plan import Killed, Kind, Plan
from tests.invariants import (
    check_calls,
    check_end,
    check_numbers,
    check_reader,
    check_session,
)
from tests.process import Ground, Process
from tests.script import EFFECTS, Ledger

PAUSE_S = 0.1
REST_S = 240.0


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
        await self._hears(now)

    async def _hears(self, now: datetime) -> None:
        """Give who asks an account, and a webhook that hears how its runs end."""
        user = User(
            id=self.actor.user_id,
            workspace_id=DEFAULT_WORKSPACE,
            username=f"actor {self.actor.user_id}",
            email=f"{self.actor.user_id}@example.org",
            role=self.actor.role,
            created_at=now,
            updated_at=now,
        )
        self.webhook = Webhook(
            id=new_id(),
            user_id=user.id,
            url="https://example.org",
            events=("run.completed", "run.failed", "run.cancelled"),
            created_at=now,
            updated_at=now,
        )
        async with self.ground.store().begin(self.actor) as tx:
            await tx.accounts.add(Account(user=user, password_hash="none"))
            await tx.webhooks.add(self.webhook, b"sealed", most=1)

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
        assert await self._told() == Counter((str(run.id), run.status) for run in runs.values())
        for session_id in {run.session_id for run in runs.values()}:
            check_session(await self._messages(session_id), [*runs])
        for reader in self.readers:
            check_reader(reader.seen, await self.events(reader.run.id), reader.after)

    async def _messages(self, session_id: UUID | None) -> Sequence[Message]:
        assert session_id is not None
        async with self.ground.store().begin(self.actor) as tx:
            page = await tx.sessions.messages(session_id, PageAsk(limit=1000, order="asc"))
        return page.items

    async def _told(self) -> Counter[tuple[str, str]]:
        """Count what is on its way to the webhook, by run and status."""
        async with self.ground.store().begin(self.actor) as tx:
            page = PageAsk(limit=1000, order="asc")
            found = await tx.tasks.list(page, webhook_id=self.webhook.id)
        data = [task.payload["data"] for task in found.items]
        return Counter((told["run_id"], told["status"]) for told in data)

    async def closes(self) -> None:
        for reader in self.readers:
            await reader.detach()
        for process in self.processes:
            await process.dies()
