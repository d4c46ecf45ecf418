"""Ten times what can be done: arrivals that wait for nobody, or clients that come back when told."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import time
from typing import Literal

import msgspec
import uvloop
from bench.load.job import Spread
from bench.subjects.model_service import Pace

from tests.load.asks import Client, Outcome, visitors
from tests.load.ground import Ground, Settings
from tests.load.rest import Database
from tests.load.watch import Seen, watched

PLACES = 8
TIMES = 10
CLIENTS = 2 * PLACES * TIMES
ANSWER = Pace(first_ms=500, gap_ms=0, tokens=20)
MIX = (
    *("chat", "stream", "run", "chat", "front", "stream", "socket", "run"),
    *("chat", "read", "front", "stream", "run", "socket", "chat", "read"),
)
WARMS = 0.2  # of the seconds, before anything is counted
DRAIN_S = 30.0
SETTLE_S = 3.0
SEED = 7


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`limits` are settings of `limits.*`; places for runs are divided among the gateways."""

    name: str
    seconds: float
    peak_s: float = 10.0
    users: int = 24
    gateways: int = 1
    manner: Literal["arrivals", "honest"] = "arrivals"
    limits: Settings = {}

    @property
    def settings(self) -> Settings:
        return {"limits__concurrent_runs": str(PLACES // self.gateways), **self.limits}


class Figures(msgspec.Struct, kw_only=True):
    """Rates in runs a second, memory in MB of PSS."""

    plan: Plan
    peak: float = 0.0
    offered: float = 0.0
    goodput: float = 0.0
    outcomes: list[Outcome] = []
    seen: Seen = msgspec.field(default_factory=Seen)
    deepest: int = 0
    drained_s: float | None = None
    lost: int = 0
    memory_before: float = 0.0
    memory_after: float = 0.0
    files_before: int = 0
    files_after: int = 0
    cpu_share: float = 0.0

    @property
    def run_ids(self) -> list[str]:
        return [outcome.run_id for outcome in self.outcomes if outcome.run_id]

    def waits(self) -> Spread:
        return Spread.of([o.seconds for o in self.outcomes if o.is_answered and o.kind != "read"])


def overload(here: Ground, plan: Plan) -> Figures:
    here.stage.pace(ANSWER)
    return uvloop.run(Overload(here, plan).run())


class Overload:
    def __init__(self, here: Ground, plan: Plan) -> None:
        self._here = here
        self._plan = plan
        self._database = Database(here.stage.engines.database_url)
        self._figures = Figures(plan=plan)
        self._dice = random.Random(SEED)
        self._begun = 0

    async def run(self) -> Figures:
        figures, here = self._figures, self._here
        async with visitors() as http:
            self._http = http
            figures.peak = await self._peak()
            figures.memory_before, figures.files_before = here.memory_mb(), here.open_files()
            async with watched(here, http) as figures.seen:
                await self._loaded()
        figures.lost = await self._database.not_completed(figures.run_ids)
        await asyncio.sleep(SETTLE_S)
        figures.memory_after, figures.files_after = here.memory_mb(), here.open_files()
        return figures

    def _drain_limit_s(self) -> float:
        return DRAIN_S + 2 * self._figures.deepest / max(self._figures.peak, 1.0)

    async def _peak(self) -> float:
        """As many clients as there are places, each with one chat after the other."""
        until = time() + (1 + WARMS) * self._plan.peak_s
        began = until - self._plan.peak_s

        async def one_after_the_other() -> None:
            while time() < until:
                await self._somebody().ask("chat")

        await asyncio.gather(*(one_after_the_other() for _ in range(PLACES)))
        return await self._database.completed_a_second(began, until)

    async def _loaded(self) -> None:
        """Load for as long as planned, then wait until everybody has gone."""
        figures, cpu_before = self._figures, self._here.cpu_s()
        began = time()
        load: Callable[[asyncio.TaskGroup], Awaitable[None]]
        load = self._arrivals if self._plan.manner == "arrivals" else self._honest
        async with asyncio.TaskGroup() as group:
            await load(group)
            ended = time()
            figures.cpu_share = (self._here.cpu_s() - cpu_before) / (ended - began)
            figures.deepest = await self._database.unfinished()
            figures.goodput = await self._database.completed_a_second(
                began + WARMS * self._plan.seconds, ended
            )
            figures.offered = self._begun / (ended - began)
            figures.drained_s = await self._database.drained_s(self._drain_limit_s())

    async def _arrivals(self, group: asyncio.TaskGroup) -> None:
        """Come at a steady rate, whatever became of those before."""
        loop = asyncio.get_running_loop()
        began, rate = loop.time(), TIMES * self._figures.peak
        for n in range(int(self._plan.seconds * rate)):
            await asyncio.sleep(began + n / rate - loop.time())
            group.create_task(self._one())

    async def _honest(self, group: asyncio.TaskGroup) -> None:
        """Twenty clients for each place: refused, each comes back when it was told to."""
        until = time() + self._plan.seconds

        async def again_and_again() -> None:
            while time() < until:
                outcome = await self._one()
                await asyncio.sleep(outcome.retry_after_s or 0)

        for _ in range(CLIENTS):
            group.create_task(again_and_again())
        await asyncio.sleep(self._plan.seconds)

    async def _one(self) -> Outcome:
        self._begun += 1
        outcome = await self._somebody().ask(self._dice.choice(MIX))
        self._figures.outcomes.append(outcome)
        return outcome

    def _somebody(self) -> Client:
        url, user = self._dice.choice(self._here.urls), self._dice.choice(self._here.users)
        return Client(self._http, url, user)
