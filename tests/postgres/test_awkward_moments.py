"""A process is killed just before or just after each thing that it does for a run; another goes on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import pytest

from polyagent.domain.run import RunStatus
from polyagent.domain.tool import Effect
from tests.fault_plan import Kind
from tests.fleet import Fleet
from tests.grounds import PostgresGround, postgres_ground
from tests.process import Process

BEFORE: Kind = "dies_before"
AFTER: Kind = "dies_after"
WAIT_S = 60

CALLS = "call read; call write; call once; say done"
SIDE_BY_SIDE = "call read write once; say done"
SHORT = "call once; say done"

ONCE_EACH: Mapping[Effect, int] = {"read": 1, "write": 1, "once": 1}
READ_TWICE: Mapping[Effect, int] = {**ONCE_EACH, "read": 2}
WRITE_TWICE: Mapping[Effect, int] = {**ONCE_EACH, "write": 2}
NEVER_ONCE: Mapping[Effect, int] = {"read": 1, "write": 1}

# what the process does for a run, when it is killed, and how often each tool is executed in the end
STATEMENTS: list[tuple[str, Kind, Mapping[Effect, int]]] = [
    ("Runs.ground#1", BEFORE, {}),
    ("Runs.ground#1", AFTER, {}),
    ("Models.info#1", BEFORE, {}),
    ("Runs.admit#1", BEFORE, {}),
    ("Runs.admit#1", AFTER, ONCE_EACH),
    ("Executor.launch#1", BEFORE, ONCE_EACH),
    ("Executor.launch#1", AFTER, ONCE_EACH),
    ("Events.open#1", AFTER, ONCE_EACH),
    ("Models.stream#1", BEFORE, ONCE_EACH),
    ("Models.stream#1", AFTER, ONCE_EACH),
    ("Journal.commit_step#1", BEFORE, ONCE_EACH),
    ("Journal.commit_step#1", AFTER, ONCE_EACH),
    ("Journal.start_call#1", BEFORE, ONCE_EACH),
    ("Journal.start_call#1", AFTER, ONCE_EACH),
    ("Tools.call#1", BEFORE, ONCE_EACH),
    ("Tools.call#1", AFTER, READ_TWICE),
    ("Journal.finish_call#1", BEFORE, READ_TWICE),
    ("Journal.finish_call#1", AFTER, ONCE_EACH),
    ("Models.stream#2", BEFORE, ONCE_EACH),
    ("Models.stream#2", AFTER, ONCE_EACH),
    ("Journal.commit_step#2", BEFORE, ONCE_EACH),
    ("Journal.commit_step#2", AFTER, ONCE_EACH),
    ("Journal.start_call#2", BEFORE, ONCE_EACH),
    ("Journal.start_call#2", AFTER, ONCE_EACH),
    ("Tools.call#2", BEFORE, ONCE_EACH),
    ("Tools.call#2", AFTER, WRITE_TWICE),
    ("Journal.finish_call#2", BEFORE, WRITE_TWICE),
    ("Journal.finish_call#2", AFTER, ONCE_EACH),
    ("Journal.commit_step#3", BEFORE, ONCE_EACH),
    ("Journal.commit_step#3", AFTER, ONCE_EACH),
    ("Journal.start_call#3", BEFORE, ONCE_EACH),
    ("Journal.start_call#3", AFTER, NEVER_ONCE),
    ("Tools.call#3", BEFORE, NEVER_ONCE),
    ("Tools.call#3", AFTER, ONCE_EACH),
    ("Journal.finish_call#3", BEFORE, ONCE_EACH),
    ("Journal.finish_call#3", AFTER, ONCE_EACH),
    ("Models.stream#4", AFTER, ONCE_EACH),
    ("Journal.commit_step#4", BEFORE, ONCE_EACH),
    ("Journal.commit_step#4", AFTER, ONCE_EACH),
    ("Events.close#1", BEFORE, ONCE_EACH),
    ("Events.close#1", AFTER, ONCE_EACH),
]

# what is shown of SHORT, in order; after one is before the next
PUBLISHED = (
    "run.started",
    "message.delta",
    "tool.arguments.delta",
    "message.completed",
    "usage",
    "tool.called",
    "tool.completed",
    "message.delta of the answer",
    "message.completed of the answer",
    "usage of the answer",
    "run.completed",
)
PUBLISHES = [
    *((f"Events.publish#{n}", BEFORE) for n in range(1, len(PUBLISHED) + 1)),
    (f"Events.publish#{len(PUBLISHED)}", AFTER),
]


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[PostgresGround]:
    async with postgres_ground(postgres_url, faster=1) as ground:
        ground.pace_s = 0.01
        yield ground


@pytest.fixture
async def fleet(ground: PostgresGround) -> AsyncIterator[Fleet]:
    fleet = Fleet(ground)
    await fleet.opens()
    async with asyncio.timeout(WAIT_S):
        yield fleet
        await fleet.closes()


async def _alive(fleet: Fleet, **exactly: Kind) -> Process:
    process = fleet.starts(exactly=exactly)
    while not process.local.is_open:
        await asyncio.sleep(0.01)
    return process


async def _asked(fleet: Fleet, process: Process, play: str, *, background: bool = False) -> None:
    admitted = await fleet.asks(process, play, background=background)
    if admitted is not None:
        fleet.follows(admitted.run)


async def _outlived(fleet: Fleet, process: Process) -> None:
    """Wait for the death of the process, have another one go on, and check what came of it."""
    await process.death()
    fleet.any_process(0)
    await fleet.rests()
    await fleet.checks()


def _executed(fleet: Fleet) -> Counter[Effect]:
    return Counter(execution.effect for execution in fleet.ledger)


@pytest.mark.parametrize(("moment", "kind", "executions"), STATEMENTS)
async def test_killed_at_a_statement_or_call(
    fleet: Fleet, moment: str, kind: Kind, executions: Mapping[Effect, int]
) -> None:
    process = await _alive(fleet, **{moment: kind})

    await _asked(fleet, process, CALLS)
    await _outlived(fleet, process)

    assert process.plan.injected == {moment: kind}
    assert _executed(fleet) == executions
    assert {run.status for run in await fleet.runs()} <= {"completed"}


@pytest.mark.parametrize(("moment", "kind"), PUBLISHES)
async def test_killed_at_something_that_is_shown(fleet: Fleet, moment: str, kind: Kind) -> None:
    process = await _alive(fleet, **{moment: kind})

    await _asked(fleet, process, SHORT)
    await _outlived(fleet, process)

    assert process.plan.injected == {moment: kind}
    assert _executed(fleet) == {"once": 1}
    assert [run.status for run in await fleet.runs()] == ["completed"]


@pytest.mark.parametrize("kind", [BEFORE, AFTER])
@pytest.mark.parametrize("call", ["Tools.call", "Journal.start_call", "Journal.finish_call"])
@pytest.mark.parametrize("n", [1, 2, 3])
async def test_killed_while_calls_are_made_side_by_side(
    fleet: Fleet, call: str, n: int, kind: Kind
) -> None:
    process = await _alive(fleet, **{f"{call}#{n}": kind})

    await _asked(fleet, process, SIDE_BY_SIDE)
    await _outlived(fleet, process)

    executed = _executed(fleet)
    assert executed["once"] <= 1
    assert {executed["read"], executed["write"]} <= {1, 2}
    assert [run.status for run in await fleet.runs()] == ["completed"]


@pytest.mark.parametrize("kind", [BEFORE, AFTER])
async def test_killed_while_a_queued_run_is_claimed(fleet: Fleet, kind: Kind) -> None:
    process = await _alive(fleet)
    process.plan.at_next("Journal.claim", kind)

    await _asked(fleet, process, CALLS, background=True)
    await _outlived(fleet, process)

    assert _executed(fleet) == ONCE_EACH


@pytest.mark.parametrize("kind", [BEFORE, AFTER])
async def test_killed_while_a_run_that_was_left_behind_is_claimed(fleet: Fleet, kind: Kind) -> None:
    first = await _alive(fleet, **{"Journal.commit_step#2": BEFORE})
    admitted = await fleet.asks(first, CALLS)
    await first.death()
    second = fleet.starts(exactly={"Journal.claim#1": kind})
    await second.death()

    assert admitted is not None
    fleet.follows(admitted.run)
    await _outlived(fleet, second)

    assert _executed(fleet) == ONCE_EACH


@pytest.mark.parametrize("kind", [BEFORE, AFTER])
async def test_killed_while_a_run_is_handed_over(fleet: Fleet, kind: Kind) -> None:
    fleet.ground.pace_s = 0.2
    process = await _alive(fleet)
    await _asked(fleet, process, CALLS)
    await _first_execution(fleet)
    process.plan.at_next("Journal.hand_over", kind)

    draining = asyncio.create_task(process.drains())
    await _outlived(fleet, process)
    await draining

    assert process.plan.injected == {"Journal.hand_over#1": kind}
    assert _executed(fleet) == ONCE_EACH


@pytest.mark.parametrize("kind", [BEFORE, AFTER])
async def test_killed_while_it_beats(fleet: Fleet, kind: Kind) -> None:
    fleet.ground.pace_s = 0.2
    process = await _alive(fleet)
    await _asked(fleet, process, CALLS)
    process.plan.at_next("Journal.beat", kind)

    await _outlived(fleet, process)

    assert [run.status for run in await fleet.runs()] == ["completed"]


@pytest.mark.parametrize(
    ("call", "kind", "status"),
    [
        ("Runs.cancel", BEFORE, "completed"),
        ("Runs.cancel", AFTER, "cancelled"),
        ("Executor.cancel", BEFORE, "cancelled"),
        ("Executor.cancel", AFTER, "cancelled"),
    ],
)
async def test_killed_while_a_run_is_cancelled(
    fleet: Fleet, call: str, kind: Kind, status: RunStatus
) -> None:
    fleet.ground.pace_s = 0.2
    process = await _alive(fleet)
    await _asked(fleet, process, SHORT)
    await _first_execution(fleet)
    process.plan.at_next(call, kind)

    process.spawn(process.manage.cancel(fleet.actor, fleet.acknowledged[0].id))
    await _outlived(fleet, process)

    assert [run.status for run in await fleet.runs()] == [status]
    assert _executed(fleet) == {"once": 1}


async def _first_execution(fleet: Fleet) -> None:
    while not fleet.ledger:
        await asyncio.sleep(0.01)
