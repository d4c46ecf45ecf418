"""The tick of a worker, in virtual time."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from polyagent.adapters.kinds.registry import KnownKinds
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.worker.scheduler import Scheduler
from polyagent.domain.account import Account, Actor, User
from polyagent.domain.errors import StoreUnavailable
from polyagent.domain.ids import new_id
from polyagent.domain.schedule import NewSchedule, made
from polyagent.domain.task import TaskAsk, TaskDefaults
from polyagent.ports.store import Transaction
from polyagent.usecases.fire_schedules import FireSchedules
from tests.virtual import START, LoopClock, run_virtually

DEFAULTS = TaskDefaults(max_attempts=3, timeout_s=60.0, queued_tasks=100_000, schedules=10)
HOUR_S = 3600.0


class WallClock(LoopClock):
    """The loop's time, which somebody sets."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)


class FlakyStore(MemoryStore):
    """A store that is away when a test says so, or does what it then says it did not."""

    is_away = False
    loses_answers = False

    @asynccontextmanager
    async def begin(self, actor: Actor) -> AsyncIterator[Transaction]:
        if self.is_away:
            raise StoreUnavailable("It is away.")
        async with super().begin(actor) as tx:
            yield tx
        if self.loses_answers:
            raise StoreUnavailable("It is not known whether that was stored.")


class Fleet:
    """Workers over one memory."""

    def __init__(self, workers: int) -> None:
        self.clock = WallClock()
        self.state = State()
        self.store = FlakyStore(self.state, self.clock)
        self.schedulers = [
            Scheduler(FireSchedules(self.store, KnownKinds([]), DEFAULTS), self.clock)
            for _ in range(workers)
        ]

    async def keeps(self, **ask: Any) -> None:
        system = Actor.system()
        now = self.clock.now()
        user = User(
            id=new_id(),
            workspace_id=system.workspace_id,
            username="ann",
            email="ann@example.org",
            role="member",
            created_at=now,
            updated_at=now,
        )
        given: dict[str, Any] = {"name": "s", "cron": "* * * * *", "timezone": "UTC", **ask}
        new = NewSchedule(**given, task=TaskAsk(kind="note"))
        async with self.store.begin(system) as tx:
            await tx.accounts.add(Account(user=user, password_hash="none"))
            await tx.schedules.add(
                made(
                    new,
                    id=new_id(),
                    workspace_id=system.workspace_id,
                    user_id=user.id,
                    version=1,
                    next_fire_at=new.next_after(now),
                    created_at=now,
                    updated_at=now,
                )
            )

    async def works(self, seconds: float) -> None:
        first, second, third = self.schedulers
        async with first.running(), second.running(), third.running():
            await self.clock.sleep(seconds)

    def fired(self) -> list[datetime]:
        """Return the instants that fired, each once."""
        found = Counter(row.asked.fire_at for row in self.state.tasks.values())
        assert set(found.values()) <= {1}
        return sorted(at for at in found if at is not None)


def minutes(first: int, last: int) -> list[datetime]:
    return [START + timedelta(minutes=n) for n in range(first, last + 1)]


def test_three_workers_fire_each_minute_of_an_hour_once_and_at_once() -> None:
    async def main() -> None:
        fleet = Fleet(3)
        await fleet.keeps()

        await fleet.works(HOUR_S + 5)

        assert fleet.fired() == minutes(1, 60)
        late = [
            row.created_at - at for row in fleet.state.tasks.values() if (at := row.asked.fire_at)
        ]
        assert max(late) <= timedelta(seconds=1)

    run_virtually(main())


def test_a_store_that_comes_back_is_fired_into_again() -> None:
    async def main() -> None:
        fleet = Fleet(3)
        await fleet.keeps(catch_up="all")

        fleet.store.is_away = True
        await fleet.works(HOUR_S / 3)
        fleet.store.is_away = False
        await fleet.works(5)

        assert fleet.fired() == minutes(1, 20)

    run_virtually(main())


def test_a_commit_whose_answer_is_lost_has_fired_once() -> None:
    async def main() -> None:
        fleet = Fleet(3)
        await fleet.keeps(catch_up="all")

        fleet.store.loses_answers = True
        await fleet.works(605)

        assert fleet.fired() == minutes(1, 10)

    run_virtually(main())


def test_a_clock_that_steps_back_and_forth_fires_nothing_twice() -> None:
    async def main() -> None:
        fleet = Fleet(3)
        await fleet.keeps(catch_up="all")

        for ahead_s in (0, -600, 200, -1200, 0):
            fleet.clock.ahead_s = ahead_s
            await fleet.works(HOUR_S / 3)

        fired = fleet.fired()
        assert fired == minutes(1, len(fired))
        assert len(fired) in (99, 100)

    run_virtually(main())


def test_a_half_past_two_job_fires_once_on_the_night_that_has_it_twice() -> None:
    async def main() -> None:
        fleet = Fleet(3)
        fleet.clock.ahead_s = (
            datetime(2026, 10, 24, 23, tzinfo=START.tzinfo) - START
        ).total_seconds()
        await fleet.keeps(cron="30 2 * * *", timezone="Europe/Berlin")

        await fleet.works(3 * HOUR_S)

        (at,) = fleet.fired()
        assert at == datetime(2026, 10, 25, 0, 30, tzinfo=START.tzinfo)

    run_virtually(main())
