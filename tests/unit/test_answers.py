"""Doing a request once, in one process over memory."""

import asyncio
from uuid import UUID

import pytest

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.runs.answers import MemoryAnswers
from polyagent.adapters.memory.state import State
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.answer import HELD_S, LIFETIME_S, KeptAnswer
from polyagent.domain.errors import InProgress, NameTaken, StoreUnavailable
from polyagent.domain.ids import new_id
from polyagent.domain.run import IdempotencyKey
from polyagent.usecases.answers import AnswerOnce

ANN = Actor(user_id=new_id(), workspace_id=DEFAULT_WORKSPACE, role="member")
KEY = IdempotencyKey(key="k", route="POST /things", body_hash=b"a hash")


class Work:
    """Counts how often it is done; waits where it is told to."""

    def __init__(self, *, body: str = "{}") -> None:
        self.done = 0
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.body = body

    async def __call__(self) -> KeptAnswer:
        self.done += 1
        self.begun.set()
        await self.go_on.wait()
        return KeptAnswer(status=201, headers={}, body=self.body)


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.answers = MemoryAnswers(State(), self.clock)
        self.answer_once = AnswerOnce(self.answers, self.clock)

    async def asks(self, work: Work) -> tuple[KeptAnswer, bool]:
        return await self.answer_once(ANN, KEY, work)

    async def passes(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.move(1)
            for _ in range(10):
                await asyncio.sleep(0)


async def test_a_request_is_done_once_in_a_day() -> None:
    desk, work = Desk(), Work()

    first = await desk.asks(work)
    again = await desk.asks(work)
    desk.clock.move(LIFETIME_S + 1)
    tomorrow = await desk.asks(work)

    assert [replayed for _, replayed in (first, again, tomorrow)] == [False, True, False]
    assert work.done == 2


async def test_work_that_takes_long_holds_its_key() -> None:
    desk, work = Desk(), Work()
    work.go_on.clear()
    first = asyncio.create_task(desk.asks(work))
    await work.begun.wait()

    await desk.passes(3 * HELD_S)
    with pytest.raises(InProgress):
        await desk.asks(work)
    work.go_on.set()
    await first

    assert await desk.asks(work) == ((await first)[0], True)
    assert work.done == 1


async def test_work_that_fails_frees_its_key() -> None:
    desk = Desk()

    async def taken() -> KeptAnswer:
        raise NameTaken("There is one.")

    with pytest.raises(NameTaken):
        await desk.answer_once(ANN, KEY, taken)

    assert not (await desk.asks(Work()))[1]


async def test_work_that_is_cut_off_frees_its_key() -> None:
    desk, work = Desk(), Work()
    work.go_on.clear()
    first = asyncio.create_task(desk.asks(work))
    await work.begun.wait()

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go_on.set()

    assert not (await desk.asks(work))[1]


async def test_a_process_that_died_holds_its_key_for_a_moment_only() -> None:
    desk, work = Desk(), Work()
    await desk.answers.begin(ANN, KEY, new_id())

    with pytest.raises(InProgress):
        await desk.asks(work)
    desk.clock.move(HELD_S)

    assert not (await desk.asks(work))[1]


async def test_a_secret_is_told_once() -> None:
    desk, work = (
        Desk(),
        Work(body='{"id":1,"secret":"s","secrets":[{"secret":"no field of ours"}]}'),
    )

    first, _ = await desk.asks(work)
    again, _ = await desk.asks(work)

    assert first.body == work.body
    assert again.body == '{"id":1,"secrets":[{"secret":"no field of ours"}]}'


class Away(MemoryAnswers):
    """A store that is away for as many calls of `keep` as it is told."""

    times = 0

    async def keep(
        self, actor: Actor, key: IdempotencyKey, holder: UUID, answer: KeptAnswer
    ) -> None:
        if self.times:
            self.times -= 1
            raise StoreUnavailable("away")
        await super().keep(actor, key, holder, answer)


@pytest.mark.parametrize(("times", "is_kept"), [(2, True), (9, False)])
async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    times: int, is_kept: bool
) -> None:
    clock = ManualClock()
    answers = Away(State(), clock)
    answer_once = AnswerOnce(answers, clock)
    answers.times = times

    first, _ = await answer_once(ANN, KEY, Work())
    clock.move(HELD_S)
    _, replayed = await answer_once(ANN, KEY, Work())

    assert first.status == 201
    assert replayed is is_kept
