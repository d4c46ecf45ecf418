"""The contract of the task engine, over memory and over PostgreSQL with Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest

from polyagent.domain.errors import TaskFailed, TaskGivenUp
from polyagent.domain.task import TaskWork
from polyagent.ports.kinds import TaskControl
from tests.contract.engine import Asked, Engine, Seen
from tests.contract.engines import MemoryEngine, durable_engine

PATIENCE_S = 60


@pytest.fixture(params=["memory", "durable"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    if request.param == "memory":
        ours = MemoryEngine()
        await ours.opens()
        yield ours
        return
    urls = [request.getfixturevalue(name) for name in ("postgres_url", "redis_url")]
    async with durable_engine(*urls) as durable:
        yield durable


class Notes:
    """A handler that notes what it is given, in order."""

    def __init__(self) -> None:
        self.works: list[TaskWork] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, work: TaskWork, control: TaskControl) -> Any:
        self.works.append(work)
        self.begun.set()
        await self.gate.wait()
        return work.payload.get("n")

    @property
    def numbers(self) -> list[Any]:
        return [work.payload.get("n") for work in self.works]


async def until(engine: Engine, task_id: UUID, is_so: Callable[[Seen], bool]) -> Seen:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so(seen := await engine.see(task_id)):
            await asyncio.sleep(0.02)
    return seen


async def ended(engine: Engine, task_id: UUID) -> Seen:
    return await until(
        engine, task_id, lambda seen: seen.status in ("succeeded", "dead", "cancelled")
    )


def numbered(count: int, **asked: Any) -> list[Asked]:
    return [Asked(payload={"n": n}, **asked) for n in range(count)]


async def test_a_committed_task_is_done_and_its_result_kept(engine: Engine) -> None:
    notes = Notes()
    async with engine.worker({"note": notes}):
        (task_id,) = await engine.enqueue(Asked(payload={"n": 7, "b": 1, "a": [None]}))
        seen = await ended(engine, task_id)

    assert seen == Seen(status="succeeded", attempts=[None], result=7)
    assert [*notes.works[0].payload] == ["n", "b", "a"]
    assert notes.works[0].actor is not None


async def test_a_task_that_was_rolled_back_never_was(engine: Engine) -> None:
    notes = Notes()
    (gone,) = await engine.enqueue(Asked(payload={"n": 1}), commits=False)
    (task_id,) = await engine.enqueue(Asked(payload={"n": 2}))
    async with engine.worker({"note": notes}):
        await ended(engine, task_id)

    assert notes.numbers == [2]
    with pytest.raises(Exception, match=str(gone)):
        await engine.see(gone)


async def test_a_failed_attempt_is_made_again_until_there_are_enough(engine: Engine) -> None:
    async def fails(work: TaskWork, _: TaskControl) -> None:
        raise ValueError(work.attempt)

    async with engine.worker({"note": fails}):
        (task_id,) = await engine.enqueue(Asked(max_attempts=3))
        seen = await ended(engine, task_id)

    assert seen == Seen(status="dead", attempts=["task_failed"] * 3, error="task_failed")


async def test_a_second_attempt_may_succeed(engine: Engine) -> None:
    async def fails_once(work: TaskWork, _: TaskControl) -> int:
        if work.attempt == 1:
            raise TaskFailed("Not yet.")
        return work.attempt

    async with engine.worker({"note": fails_once}):
        (task_id,) = await engine.enqueue(Asked())
        seen = await ended(engine, task_id)

    assert seen == Seen(status="succeeded", attempts=["task_failed", None], result=2)


async def test_what_is_given_up_is_not_tried_again_but_by_hand(engine: Engine) -> None:
    async def gives_up(work: TaskWork, _: TaskControl) -> str:
        if work.attempt == 1:
            raise TaskGivenUp("Never.")
        return f"{work.tries} of {work.attempt}"

    async with engine.worker({"note": gives_up}):
        (task_id,) = await engine.enqueue(Asked(max_attempts=1))
        first = await ended(engine, task_id)
        await engine.retry(task_id)
        second = await until(engine, task_id, lambda seen: seen.status == "succeeded")

    assert (first.status, first.attempts) == ("dead", ["task_given_up"])
    assert second == Seen(status="succeeded", attempts=["task_given_up", None], result="1 of 2")


async def test_a_retry_never_runs_before_its_time(engine: Engine) -> None:
    loop = asyncio.get_running_loop()
    began: list[float] = []

    async def asks_for_patience(work: TaskWork, _: TaskControl) -> None:
        began.append(loop.time())
        if work.attempt == 1:
            raise TaskFailed("Later.", retry_after_s=0.5)

    async with engine.worker({"note": asks_for_patience}):
        (task_id,) = await engine.enqueue(Asked())
        waiting = await until(engine, task_id, lambda seen: seen.status == "retrying")
        seen = await ended(engine, task_id)

    assert waiting.attempts == ["task_failed"]
    assert seen.status == "succeeded"
    assert began[1] - began[0] >= 0.5


async def test_what_is_due_later_is_scheduled_until_then(engine: Engine) -> None:
    notes = Notes()
    async with engine.worker({"note": notes}):
        (later,) = await engine.enqueue(Asked(delay_s=0.6, payload={"n": "later"}))
        scheduled = await engine.see(later)
        (now,) = await engine.enqueue(Asked(payload={"n": "now"}))
        await ended(engine, now)
        await ended(engine, later)

    assert scheduled.status == "scheduled"
    assert notes.numbers == ["now", "later"]


async def test_users_take_turns_and_the_urgent_goes_first(engine: Engine) -> None:
    notes = Notes()
    await engine.enqueue(*numbered(20, who=0))
    await engine.enqueue(Asked(who=1, payload={"n": "other"}))
    ids = await engine.enqueue(Asked(who=0, priority=9, payload={"n": "urgent"}))
    async with engine.worker({"note": notes}, slots=1):
        await ended(engine, ids[0])
        await until_noted(notes, 22)

    assert notes.numbers.index("urgent") == 0
    assert notes.numbers.index("other") <= 2
    assert [n for n in notes.numbers if isinstance(n, int)] == [*range(20)]


async def until_noted(notes: Notes, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(notes.works) < count:
            await asyncio.sleep(0.01)


async def test_a_live_task_stands_for_others_of_its_unique_key(engine: Engine) -> None:
    notes = Notes()
    notes.gate.clear()
    asked = Asked(unique_key="daily")
    first = await engine.enqueue(asked)
    again = await engine.enqueue(asked, Asked(unique_key="daily", who=1))
    async with engine.worker({"note": notes}):
        await notes.begun.wait()
        running = await engine.enqueue(asked)
        notes.gate.set()
        await ended(engine, first[0])
        anew = await engine.enqueue(asked)
        await ended(engine, anew[0])

    assert again[0] == running[0] == first[0]
    assert again[1] != first[0]
    assert anew[0] != first[0]


async def test_an_attempt_ends_at_its_timeout(engine: Engine) -> None:
    async def hangs(work: TaskWork, _: TaskControl) -> None:
        await asyncio.Event().wait()

    async with engine.worker({"note": hangs}):
        (task_id,) = await engine.enqueue(Asked(timeout_s=0.05, max_attempts=2))
        seen = await ended(engine, task_id)

    assert seen == Seen(status="dead", attempts=["task_timed_out"] * 2, error="task_timed_out")


async def test_a_waiting_task_is_cancelled_there_and_then(engine: Engine) -> None:
    notes = Notes()
    gone, stays = await engine.enqueue(*numbered(2))
    await engine.cancel(gone)
    seen = await engine.see(gone)
    async with engine.worker({"note": notes}):
        await ended(engine, stays)

    assert seen == Seen(status="cancelled", attempts=[], error="cancelled")
    assert notes.numbers == [1]


async def test_cancelling_reaches_a_running_attempt(engine: Engine) -> None:
    asked: list[bool] = []
    begun = asyncio.Event()

    async def waits(work: TaskWork, control: TaskControl) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            asked.append(control.cancel_asked)

    async with engine.worker({"note": waits}):
        (task_id,) = await engine.enqueue(Asked())
        await begun.wait()
        await engine.cancel(task_id)
        seen = await ended(engine, task_id)

    assert seen == Seen(status="cancelled", attempts=["cancelled"], error="cancelled")
    assert asked == [True]


async def test_progress_is_shown(engine: Engine) -> None:
    told = asyncio.Event()
    notes = Notes()
    notes.gate.clear()

    async def tells(work: TaskWork, control: TaskControl) -> Any:
        await control.progress({"done": 3, "of": 7})
        told.set()
        return await notes(work, control)

    async with engine.worker({"note": tells}):
        (task_id,) = await engine.enqueue(Asked())
        await told.wait()
        seen = await engine.see(task_id)
        notes.gate.set()

    assert (seen.status, seen.progress) == ("running", {"done": 3, "of": 7})


async def test_what_a_dead_worker_had_begun_is_done_by_another_and_nothing_twice(
    engine: Engine,
) -> None:
    first, second = Notes(), Notes()

    async def stalls_at_12(work: TaskWork, control: TaskControl) -> Any:
        if work.payload["n"] >= 12:
            first.gate.clear()
        return await first(work, control)

    ids = await engine.enqueue(*numbered(30))
    async with engine.worker({"note": stalls_at_12}, slots=10) as worker:
        await ended(engine, ids[0])
        await until_noted(first, 15)
        await worker.dies()
    done = [seen.result for seen in [await engine.see(id_) for id_ in ids] if seen.result]
    async with engine.worker({"note": second}, slots=10):
        seen = [await ended(engine, task_id) for task_id in ids]

    assert [each.result for each in seen] == [*range(30)]
    assert not {*done} & {*second.numbers}
    assert any(each.attempts == ["worker_lost", None] for each in seen)


async def test_a_task_that_kills_its_workers_is_given_up(engine: Engine) -> None:
    notes = Notes()
    notes.gate.clear()
    (task_id,) = await engine.enqueue(Asked(max_attempts=2))
    for _ in range(2):
        notes.begun.clear()
        async with engine.worker({"note": notes}) as worker:
            await notes.begun.wait()
            await worker.dies()
    async with engine.worker({"other": notes}):
        seen = await ended(engine, task_id)

    assert seen == Seen(
        status="dead", attempts=["worker_lost", "task_poisoned"], error="task_poisoned"
    )


async def test_a_worker_that_drains_hands_back_what_does_not_end(engine: Engine) -> None:
    first, second = Notes(), Notes()
    first.gate.clear()
    (task_id,) = await engine.enqueue(Asked(max_attempts=1))
    async with engine.worker({"note": first}, drain_s=0.05) as worker:
        await first.begun.wait()
        await worker.drains()
    handed = await engine.see(task_id)
    async with engine.worker({"note": second}):
        seen = await ended(engine, task_id)

    assert handed.status == "queued"
    assert seen == Seen(status="succeeded", attempts=["handed_back", None])
    assert second.works[0].tries == 1
    assert second.works[0].cut_short


async def test_a_worker_that_drains_lets_what_it_began_end(engine: Engine) -> None:
    notes = Notes()
    notes.gate.clear()
    begun, waits = await engine.enqueue(*numbered(2))
    async with engine.worker({"note": notes}, slots=1) as worker:
        await notes.begun.wait()
        asyncio.get_running_loop().call_later(0.1, notes.gate.set)
        await worker.drains()

    assert (await engine.see(begun)).status == "succeeded"
    assert (await engine.see(waits)).status == "queued"


async def test_order_that_was_lost_is_found_again(engine: Engine) -> None:
    notes = Notes()
    ids = await engine.enqueue(*numbered(10))
    await engine.forget_order()
    async with engine.worker({"note": notes}):
        for task_id in ids:
            await ended(engine, task_id)

    assert sorted(notes.numbers) == [*range(10)]


async def test_a_worker_leaves_other_kinds_to_others(engine: Engine) -> None:
    left, right = Notes(), Notes()
    ids = await engine.enqueue(*numbered(5, kind="left"), *numbered(5, kind="right"))
    async with engine.worker({"left": left}), engine.worker({"right": right}):
        for task_id in ids:
            await ended(engine, task_id)

    assert {work.kind for work in left.works} == {"left"}
    assert {work.kind for work in right.works} == {"right"}


async def test_what_is_over_a_cap_waits_and_stands_in_nobodys_way(engine: Engine) -> None:
    heavy, light = Notes(), Notes()
    heavy.gate.clear()
    ids = await engine.enqueue(*numbered(6, kind="heavy"))
    async with engine.worker({"heavy": heavy, "light": light}, slots=10, kind_tasks={"heavy": 2}):
        (other,) = await engine.enqueue(Asked(kind="light"))
        await ended(engine, other)
        at_once = len(heavy.works)
        parked = await engine.see(ids[5])
        heavy.gate.set()
        for task_id in ids:
            await ended(engine, task_id)

    assert at_once == 2
    assert parked.status == "queued"
    assert sorted(heavy.numbers) == [*range(6)]


async def test_a_user_has_no_more_running_than_may_be(engine: Engine) -> None:
    notes = Notes()
    notes.gate.clear()
    ids = await engine.enqueue(*numbered(5, who=0))
    async with engine.worker({"note": notes}, slots=10, user_tasks=2):
        (other,) = await engine.enqueue(Asked(who=1, payload={"n": "other"}))
        await until_noted(notes, 3)
        running = [*notes.numbers]
        notes.gate.set()
        for task_id in [*ids, other]:
            await ended(engine, task_id)

    assert sorted(running, key=str) == [0, 1, "other"]


async def test_nothing_is_done_for_somebody_who_may_not_act(engine: Engine) -> None:
    notes = Notes()
    (task_id,) = await engine.enqueue(Asked(who=2))
    await engine.suspend(2)
    async with engine.worker({"note": notes}):
        seen = await ended(engine, task_id)

    assert seen == Seen(status="dead", attempts=["owner_gone"], error="owner_gone")
    assert notes.works == []


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_a_handler_that_tries_to_end_its_process_only_fails(
    engine: Engine, raised: BaseException
) -> None:
    async def leaves(work: TaskWork, _: TaskControl) -> None:
        raise raised

    async with engine.worker({"note": leaves}):
        (task_id,) = await engine.enqueue(Asked(max_attempts=1))
        seen = await ended(engine, task_id)

    assert seen == Seen(status="dead", attempts=["task_failed"], error="task_failed")


async def test_a_result_that_json_cannot_say_ends_the_task(engine: Engine) -> None:
    async def answers(work: TaskWork, _: TaskControl) -> object:
        return object()

    async with engine.worker({"note": answers}):
        (task_id,) = await engine.enqueue(Asked())
        seen = await ended(engine, task_id)

    assert seen == Seen(status="dead", attempts=["task_given_up"], error="task_given_up")
