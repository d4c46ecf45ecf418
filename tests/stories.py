"""What people do with a fleet while things go wrong, drawn from a seed."""

import asyncio
import random

from polyagent.domain.errors import RunFinished, SessionBusy
from polyagent.domain.run import Admitted
from tests.fault_plan import dice_of
from tests.fleet import PAUSE_S, Fleet, is_broken
from tests.process import Process

PLAYS = (
    "say hello to you",
    "call read; say done",
    "call once; say done",
    "call write once read; say all done",
    "call broken; call write; call once; say well",
)


async def troubled(
    fleet: Fleet, *, processes: int = 3, actions: int = 14, rate: float = 0.08
) -> None:
    """Let a fleet work while calls fail and processes die; then calm it down, and check."""
    random.seed(fleet.seed)
    await fleet.opens()
    for _ in range(processes):
        fleet.starts(rate=rate)
    dice = dice_of(fleet.seed)
    try:
        for _ in range(actions):
            await _something(fleet, dice, rate)
            await fleet.ground.clock.sleep(dice.random() * 2 * fleet.ground.pace_s * 4)
        await fleet.calms_down()
        await fleet.rests()
        await fleet.checks()
    except BaseException as error:
        error.add_note(describe(fleet))
        raise
    finally:
        await fleet.closes()


def describe(fleet: Fleet) -> str:
    plans = "\n".join(f"{process.name}: {process.plan}" for process in fleet.processes)
    return f"seed {fleet.seed}\n{plans}"


async def _something(fleet: Fleet, dice: random.Random, rate: float) -> None:
    process = fleet.any_process(dice.randrange(100))
    match dice.randrange(11):
        case 0 | 1 | 2 | 3:
            await _chat(fleet, process, dice)
        case 4 | 5:
            await _talk_on(fleet, process, dice)
        case 6:
            await _cancel(fleet, process, dice)
        case 7:
            await process.dies()
            fleet.starts(rate=rate)
        case 8:
            for reader in fleet.readers:
                reader.disconnect()
        case 9:
            await _sleep_over(fleet, process, dice)
        case 10:
            await _insist(fleet, dice)


async def _chat(fleet: Fleet, process: Process, dice: random.Random) -> None:
    background = dice.random() < 0.3
    admitted = await fleet.asks(process, dice.choice(PLAYS), background=background)
    if admitted is not None:
        fleet.follows(admitted.run)


async def _insist(fleet: Fleet, dice: random.Random) -> None:
    """Ask under one key, on any process, until somebody answers, and once more."""
    key, play = f"key {dice.random()}", dice.choice(PLAYS)
    answers: list[Admitted] = []
    while len(answers) < 2:
        process = fleet.any_process(dice.randrange(100))
        admitted = await fleet.asks(process, play, key=key)
        if admitted is not None:
            answers.append(admitted)
            fleet.follows(admitted.run)
        await fleet.ground.clock.sleep(PAUSE_S)


async def _talk_on(fleet: Fleet, process: Process, dice: random.Random) -> None:
    if not fleet.acknowledged:
        return
    session_id = dice.choice(fleet.acknowledged).session_id
    policy = dice.choice(("enqueue", "reject"))
    try:
        admitted = await fleet.asks(
            process, dice.choice(PLAYS), session_id=session_id, policy=policy
        )
    except SessionBusy:
        return
    if admitted is not None:
        fleet.follows(admitted.run)


async def _cancel(fleet: Fleet, process: Process, dice: random.Random) -> None:
    if not fleet.acknowledged:
        return
    run = dice.choice(fleet.acknowledged)
    task = process.spawn(process.manage.cancel(fleet.actor, run.id))
    await asyncio.wait([task])
    assert is_broken(task) or isinstance(task.exception(), RunFinished | None)


async def _sleep_over(fleet: Fleet, process: Process, dice: random.Random) -> None:
    """Stop a process for longer than its lease, or for a moment."""
    process.plan.pause()
    await fleet.ground.clock.sleep(dice.choice((0.3, 6.0)))
    process.plan.resume()
