"""Clocks: the one that tests move, and the system's."""

import asyncio
from datetime import UTC, timedelta

import pytest

from polyagent.adapters.memory.clock import START, ManualClock
from polyagent.adapters.system.clock import SystemClock


async def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()

    clock.move(90)

    assert clock.now() == START + timedelta(seconds=90)
    assert clock.monotonic() == 90


async def test_a_sleeper_wakes_when_its_time_has_come() -> None:
    clock = ManualClock()
    short, long = [asyncio.create_task(clock.sleep(seconds)) for seconds in (1, 10)]
    await asyncio.sleep(0)

    clock.move(0.5)
    clock.move(0.5)

    await short
    assert not long.done()
    clock.move(100)
    await long


async def test_a_sleeper_may_be_cancelled() -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)

    sleeper.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sleeper
    clock.move(2)


async def test_no_time_to_sleep_is_no_sleep() -> None:
    await ManualClock().sleep(0)


async def test_setting_the_wall_clock_wakes_nobody() -> None:
    clock = ManualClock()

    clock.set(START - timedelta(days=1))

    assert (clock.now(), clock.monotonic()) == (START - timedelta(days=1), 0)


async def test_the_system_clock_tells_utc_and_only_grows() -> None:
    clock = SystemClock()

    before = clock.monotonic()
    await clock.sleep(0)

    assert clock.now().tzinfo is UTC
    assert clock.monotonic() >= before
