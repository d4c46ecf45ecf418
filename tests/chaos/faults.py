"""Faults, done to real processes."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.ledger import Ledger, Line, unfinished
from tests.chaos.plan import OF_A_PROCESS, Fault, FaultKind
from tests.chaos.records import History, Injected
from tests.e2e.fleet import Fleet, Member

LEASE_S = 4.0
STOP_S = LEASE_S + 2
PAUSE_VALKEY_S = 3.0
AT_ONCE = 2  # somebody must be left to ask
CALL_WAIT_S = 2.0
BACK_S = 120.0
POLL_S = 0.03

# what asyncpg raises while a server goes away under it
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
WORKING = "SELECT pid FROM polyagent.workers WHERE lease_until > now()"


class Saboteur:
    """Does faults one after the other; each waits until the last of the same target is over."""

    def __init__(self, fleet: Fleet, ledger: Ledger, history: History) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._history = history
        self._database_url = fleet.database_url
        self._redis_url = fleet.redis_url
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def do(self, faults: Iterable[Fault]) -> None:
        """Do faults until it is cancelled or there are no more, and see them to their ends."""
        try:
            for fault in faults:
                await asyncio.sleep(fault.pause_s)
                target = await self._idle(fault.targets)
                self._busy[target] = asyncio.create_task(self._inject(fault.kind, target))
        finally:
            await asyncio.gather(*self._busy.values())

    async def _idle(self, targets: Sequence[str]) -> str:
        """Return the first that is not in trouble, once there is one."""
        while True:
            for target in targets:
                task = self._busy.get(target)
                if task is None or task.done():
                    return target
            await asyncio.wait(
                [self._busy[target] for target in targets], return_when=asyncio.FIRST_COMPLETED
            )

    async def back_to_normal(self) -> None:
        """Wait until every member works."""
        for member in self._fleet.members.values():
            await self._until_it_works(member)

    async def _inject(self, kind: FaultKind, target: str) -> None:
        injected = Injected(kind=kind, target=target, began_s=time.time())
        self._history.faults.append(injected)
        if kind in OF_A_PROCESS:
            async with self._places:
                await self._strike(self._fleet.members[target], injected)
        else:
            await self._trouble_an_engine(injected)
        injected.ended_s = time.time()

    async def _strike(self, member: Member, injected: Injected) -> None:
        await self._until_calling(member)
        injected.began_s = injected.struck_s = time.time()
        if injected.kind == "kill":
            pids = await asyncio.to_thread(member.kill)
            injected.calls = self._open_calls(pids)
            member.start()
        elif injected.kind == "stop":
            injected.calls = self._open_calls(member.signal(signal.SIGSTOP))
            await asyncio.sleep(STOP_S)
            member.signal(signal.SIGCONT)
        else:
            member.terminate()
            await asyncio.to_thread(member.ended)
            injected.drained_s = time.time() - injected.struck_s
            member.start()
        await self._until_it_works(member)

    async def _until_calling(self, member: Member) -> None:
        """Wait for a tool call of this process, but not for ever."""
        pids = member.pids()
        with suppress(TimeoutError):
            async with asyncio.timeout(CALL_WAIT_S):
                while not self._open_calls(pids):
                    await asyncio.sleep(POLL_S)

    def _open_calls(self, pids: list[int]) -> list[Line]:
        return [line for line in unfinished(self._ledger.read()).values() if line.pid in pids]

    async def _trouble_an_engine(self, injected: Injected) -> None:
        if injected.kind == "flush":
            async with Redis.from_url(self._redis_url) as redis:
                await redis.flushall()
        elif injected.kind == "restart_postgres":
            old = self._fleet.pid_of("postgres")
            os.kill(old, signal.SIGINT)
            await self._until(partial(self._postgres_is_back, old))
        elif injected.kind == "kill_valkey":
            os.kill(self._fleet.pid_of("valkey"), signal.SIGKILL)
            await self._until(self._valkey_is_back)
        else:
            pid = self._fleet.pid_of("valkey")
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(PAUSE_VALKEY_S)
            os.kill(pid, signal.SIGCONT)

    async def _until_it_works(self, member: Member) -> None:
        async def works() -> bool:
            found = await self._fetch(WORKING)
            return bool({row["pid"] for row in found} & {*member.pids()})

        await self._until(works)

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(BACK_S):
            while not await holds():
                await asyncio.sleep(POLL_S)

    async def _postgres_is_back(self, old: int) -> bool:
        with suppress(OSError, IndexError):  # its pid file comes and goes
            return self._fleet.pid_of("postgres") != old and bool(await self._fetch("SELECT 1"))
        return False

    async def _valkey_is_back(self) -> bool:
        try:
            async with Redis.from_url(self._redis_url) as redis:
                return bool(await redis.ping())
        except (RedisError, OSError):
            return False

    async def _fetch(self, statement: str) -> list[asyncpg.Record]:
        """Return no row while Postgres is away."""
        try:
            connection = await asyncpg.connect(self._database_url)
            try:
                return await connection.fetch(statement)
            finally:
                connection.terminate()
        except AWAY:
            return []
