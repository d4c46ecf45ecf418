"""Schedules between real processes: each instant fires once, whoever is killed."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from tests.e2e.fleet import Fleet
from tests.e2e.processes import in_time

DAY = 1440  # minutes
KILLS = 6
TASK = {"kind": "tool", "payload": {"name": "calculator", "arguments": {"expression": "6*7"}}}


@pytest.fixture(scope="module")
def fleet(model_service: str) -> Iterator[Fleet]:
    environ = {"POLYAGENT_LIMITS__QUEUED_TASKS": "100000"}
    with Fleet(model_service, gateways=0, workers=3, environ=environ) as fleet:
        yield fleet


@pytest.fixture
def client(fleet: Fleet) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {fleet.up.token()}"}
    with httpx.Client(
        base_url=fleet.up.url, headers=headers, timeout=60, trust_env=False
    ) as client:
        yield client


class Rows:
    """What the database says."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def owes_a_day(self, schedule_id: str) -> datetime:
        """Let the fleet have been away for a day of minutes, and return the first."""
        begin: datetime = await self._connection.fetchval(
            """UPDATE polyagent.schedules
            SET next_fire_at = date_trunc('minute', now()) - make_interval(mins => $2)
            WHERE id = $1 RETURNING next_fire_at""",
            schedule_id,
            DAY - 1,
        )
        return begin

    async def has_caught_up(self, *ids: str) -> bool:
        return not await self._connection.fetchval(
            "SELECT count(*) FROM polyagent.schedules WHERE id = ANY ($1) AND next_fire_at <= now()",
            ids,
        )

    async def fired(self, schedule_id: str) -> Sequence[datetime]:
        rows = await self._connection.fetch(
            "SELECT fire_at FROM polyagent.tasks WHERE schedule_id = $1 ORDER BY fire_at",
            schedule_id,
        )
        return [row["fire_at"] for row in rows]

    async def have_all_succeeded(self, *ids: str) -> bool:
        statuses = await self._connection.fetch(
            "SELECT DISTINCT status FROM polyagent.tasks WHERE schedule_id = ANY ($1)", ids
        )
        return [row["status"] for row in statuses] == ["succeeded"]

    async def is_firing(self) -> bool:
        """Whether a worker holds schedules and waits to enqueue their tasks."""
        return bool(
            await self._connection.fetchval(
                """SELECT count(*) FROM pg_locks WHERE NOT granted
                    AND relation = 'polyagent.tasks'::regclass AND mode = 'RowExclusiveLock'"""
            )
        )


@contextlib.asynccontextmanager
async def rows_of(fleet: Fleet) -> AsyncIterator[tuple[Rows, asyncpg.Connection]]:
    connection = await asyncpg.connect(fleet.database_url)
    try:
        yield Rows(connection), connection
    finally:
        await connection.close()


def makes(client: httpx.Client, name: str) -> str:
    new = {"name": name, "cron": "* * * * *", "timezone": "UTC", "task": TASK, "catch_up": "all"}
    answer = client.post("/api/v1/schedules", json=new)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def assert_each_minute_once(fired: Sequence[datetime], begin: datetime) -> None:
    assert len(fired) >= DAY
    assert fired == [begin + timedelta(minutes=n) for n in range(len(fired))]


async def test_a_missed_day_of_minutes_fires_once_each_while_workers_are_killed(
    fleet: Fleet, client: httpx.Client
) -> None:
    ids = [makes(client, f"minutely {n}") for n in range(3)]

    async with rows_of(fleet) as (rows, _):
        begins = [await rows.owes_a_day(schedule_id) for schedule_id in ids]
        members = cycle(fleet.members.values())
        for n in range(KILLS):
            seen = len(await rows.fired(ids[n % 3]))
            await in_time(partial(_more, rows, ids[n % 3], seen))
            member = next(members)
            member.kill()
            if n == KILLS // 2:
                async with Redis.from_url(fleet.redis_url) as redis:
                    await redis.flushall()
            member.start()
        await in_time(lambda: rows.has_caught_up(*ids))
        for schedule_id, begin in zip(ids, begins, strict=True):
            assert_each_minute_once(await rows.fired(schedule_id), begin)
        await in_time(lambda: rows.have_all_succeeded(*ids))
        for schedule_id, begin in zip(ids, begins, strict=True):
            assert_each_minute_once(await rows.fired(schedule_id), begin)


async def _more(rows: Rows, schedule_id: str, seen: int) -> bool:
    """Whether it has fired again, or no more is to come."""
    return len(await rows.fired(schedule_id)) > seen or await rows.has_caught_up(schedule_id)


async def test_who_is_killed_between_taking_and_committing_has_fired_nothing(
    fleet: Fleet, client: httpx.Client
) -> None:
    schedule_id = makes(client, "caught")

    async with rows_of(fleet) as (rows, _), rows_of(fleet) as (_, blocker):
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE polyagent.tasks IN SHARE MODE")
            begin = await rows.owes_a_day(schedule_id)
            await in_time(rows.is_firing)
            killed = [pid for member in fleet.members.values() for pid in member.kill()]
            killed += _kill_workers(fleet)
        assert killed
        await in_time(lambda: _are_gone(killed))
        for member in fleet.members.values():
            member.start()
        await in_time(lambda: rows.has_caught_up(schedule_id))

        assert_each_minute_once(await rows.fired(schedule_id), begin)


def _kill_workers(fleet: Fleet) -> list[int]:
    """Kill those of the `up` itself; it starts others."""
    pids = [pid for pid, words in fleet.up.family().items() if "worker" in words.split()]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


async def _are_gone(pids: Sequence[int]) -> bool:
    return not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
