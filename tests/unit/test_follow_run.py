"""Readers with cursors: whatever a reader holds, wherever it reads, it is told the rest, once, in order."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from polyagent.adapters.memory.runs.events import MemoryEvents
from polyagent.adapters.memory.runs.runs import MemoryRuns
from polyagent.adapters.memory.state import RunRow, State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.chat import TextPart
from polyagent.domain.errors import CursorInvalid, NotFound, Overloaded
from polyagent.domain.event import (
    EPOCH,
    Event,
    EventBody,
    MessageDelta,
    RunCompleted,
    RunResumed,
    RunStarted,
    UsageReported,
)
from polyagent.domain.ids import new_id
from polyagent.domain.run import Admitted, Run, Spec
from polyagent.domain.usage import Usage
from polyagent.ports.events import Events
from polyagent.ports.runs import Runs
from polyagent.usecases.audit import Audit
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.following.journal import AT_ONCE
from polyagent.usecases.following.reading import PAGE
from polyagent.usecases.oversight import Oversight
from tests.virtual import LoopClock, run_virtually

ALICE = Actor(user_id=new_id(), workspace_id=DEFAULT_WORKSPACE, role="member")
BOB = replace(ALICE, user_id=new_id())

Epochs = Sequence[str]
"""What happens in each epoch after its first event: `d` a delta, `u` something durable; `D` and `U`
are not shown to anybody as they happen.
"""

EPOCHS = st.lists(st.text("dDuU", max_size=6), min_size=1, max_size=4)


class Desk:
    """Two processes that execute one run in turns, an epoch each, and let it be read."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.state = State()
        self.processes = [MemoryEvents(120, self.clock) for _ in range(2)]
        self.follows = [
            self.following(MemoryRuns(self.state, self.clock), events) for events in self.processes
        ]
        self.shown: list[Event] = []
        self.run = self._admit()

    def following(self, runs: Runs, events: Events) -> FollowRun:
        audit = Audit(MemoryStore(self.state, self.clock), self.clock)
        return FollowRun(runs, events, self.clock, Oversight(runs, audit))

    def _admit(self) -> Run:
        now = self.clock.now()
        run = Run(
            id=new_id(),
            agent_id=new_id(),
            agent_version=1,
            status="running",
            created_at=now,
            started_at=now,
        )
        self.state.runs[run.id] = RunRow(
            seq=1,
            run=run,
            spec=Spec(parts=(TextPart("hi"),)),
            workspace_id=ALICE.workspace_id,
            user_id=ALICE.user_id,
        )
        return run

    @property
    def journal(self) -> list[Event]:
        return self.state.events[self.run.id]

    @property
    def ids(self) -> list[int]:
        """Return every id that a reader may hold: also of deltas that reached nobody else."""
        return sorted({0, *(event.id for event in self.shown)})

    async def happens(self, epochs: Epochs, *, ends: bool, pause_s: float = 0.0) -> None:
        for epoch, marks in enumerate(epochs, 1):
            events = self.processes[epoch % 2]
            events.open(self.run.id, epoch)
            begins = RunStarted(self.run.agent_id, 1, 1) if epoch == 1 else _resumed(epoch)
            bodies = [begins, *map(_body, marks)]
            if ends and epoch == len(epochs):
                bodies.append(RunCompleted(None, Usage()))
            for n, (body, mark) in enumerate(zip(bodies, f" {marks} ", strict=False), 1):
                await self.tells(events, epoch * EPOCH + n, body, is_lost=mark in "DU")
                await asyncio.sleep(pause_s)
            events.close(self.run.id)

    async def tells(
        self, events: MemoryEvents, event_id: int, body: EventBody, *, is_lost: bool
    ) -> None:
        event = Event(id=event_id, run_id=self.run.id, at=self.clock.now(), body=body)
        row = self.state.runs[self.run.id]
        if body.final:
            row = replace(row, run=replace(row.run, status="completed"))
        self.state.runs[self.run.id] = replace(row, epoch=event_id // EPOCH)
        if body.durable:
            self.journal.append(event)
        self.shown.append(event)
        if not is_lost:
            events.publish(event)

    async def reads(self, process: int, after: int) -> list[Event]:
        run = self.state.runs[self.run.id].run
        found = self.follows[process](ALICE, run, after)
        return [event async for event in found if event is not None]

    async def is_left(self, after: int) -> bool:
        return await self.follows[0].check(ALICE, self.run.id, after) is not None

    def expects(self, seen: Sequence[Event], after: int) -> None:
        ids = [event.id for event in seen]
        assert ids == sorted(set(ids))
        assert set(ids) <= set(self.ids)
        assert [e for e in seen if e.body.durable] == [e for e in self.journal if e.id > after]


def _resumed(epoch: int) -> EventBody:
    return RunResumed(epoch, "takeover", 1)


def _body(mark: str) -> EventBody:
    return MessageDelta(1, 0, "word ") if mark in "dD" else UsageReported(1, "script", Usage())


@given(EPOCHS)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_from_any_id_that_a_reader_may_hold_it_reads_the_rest(epochs: Epochs) -> None:
    async def story() -> None:
        desk = Desk()
        await desk.happens(epochs, ends=True)

        for after in desk.ids[:-1]:
            assert await desk.is_left(after)
            for process in (0, 1):
                desk.expects(await desk.reads(process, after), after)
        assert not await desk.is_left(desk.ids[-1])

    run_virtually(story())


@given(EPOCHS, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1), st.data()), max_size=4))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_readers_that_come_while_it_happens_are_told_the_same(
    epochs: Epochs, readers: list[tuple[int, int, st.DataObject]]
) -> None:
    async def comes(desk: Desk, tick: int, process: int, data: st.DataObject) -> None:
        await asyncio.sleep(tick * 0.3)
        after = data.draw(st.sampled_from(desk.ids), label="after")
        if not await desk.is_left(after):
            assert after == desk.ids[-1]
            return
        desk.expects(await desk.reads(process, after), after)

    async def story() -> None:
        desk = Desk()
        async with asyncio.TaskGroup() as group:
            group.create_task(desk.happens(epochs, ends=True, pause_s=0.5))
            await asyncio.sleep(0)
            for tick, process, data in readers:
                group.create_task(comes(desk, tick, process, data))

    run_virtually(story())


@given(EPOCHS, st.integers(0, 5), st.integers(1, EPOCH - 1))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_a_cursor_of_a_run_that_goes_on_is_good_in_every_epoch_it_reached(
    epochs: Epochs, epoch: int, n: int
) -> None:
    async def story() -> None:
        desk = Desk()
        await desk.happens(epochs, ends=False)
        if epoch <= len(epochs):
            assert await desk.is_left(epoch * EPOCH + n)
        else:
            with pytest.raises(CursorInvalid):
                await desk.is_left(epoch * EPOCH + n)

    if epoch > 0:
        run_virtually(story())


@given(EPOCHS, st.integers(1, 2 * EPOCH))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_a_cursor_beyond_the_end_of_a_finished_run_is_refused(epochs: Epochs, over: int) -> None:
    async def story() -> None:
        desk = Desk()
        await desk.happens(epochs, ends=True)

        with pytest.raises(CursorInvalid):
            await desk.is_left(desk.ids[-1] + over)

    run_virtually(story())


@given(EPOCHS, st.integers(1, 7), st.booleans())
@settings(deadline=None, derandomize=True, max_examples=100)
@example(["u" * 6], 8, True)
def test_pages_of_any_size_are_the_journal(epochs: Epochs, limit: int, ends: bool) -> None:
    async def story() -> None:
        desk = Desk()
        await desk.happens(epochs, ends=ends)
        read: list[Event] = []
        after, ended = 0, False
        while not ended:
            page, ended = await desk.follows[1].page(ALICE, desk.run.id, after, limit)
            assert len(page) <= limit
            read += page
            if not page:
                break
            after = page[-1].id
        assert read == desk.journal
        assert ended is ends

    run_virtually(story())


async def test_the_end_of_a_long_epoch_is_a_good_cursor() -> None:
    desk = Desk()
    await desk.happens(["u" * (PAGE + 20)], ends=True)

    assert await desk.is_left(desk.ids[-2])
    assert not await desk.is_left(desk.ids[-1])
    with pytest.raises(CursorInvalid):
        await desk.is_left(desk.ids[-1] + 1)


async def test_a_run_that_was_just_admitted_is_read_from_its_first_event() -> None:
    desk = Desk()
    await desk.happens(["du"], ends=True)

    followed = desk.follows[0].start(ALICE, Admitted(run=desk.run, replayed=True))

    assert [event async for event in followed if event and event.body.durable] == desk.journal


async def test_a_run_of_somebody_else_is_not_found() -> None:
    desk = Desk()
    await desk.happens(["du"], ends=True)

    with pytest.raises(NotFound):
        await desk.follows[0].check(BOB, desk.run.id, 0)
    with pytest.raises(NotFound):
        await desk.follows[0].page(BOB, desk.run.id, 0, 10)


async def test_a_run_that_ends_while_its_reader_is_checked_is_not_over_for_it() -> None:
    desk = Desk()
    await desk.happens([""], ends=False)
    end = RunCompleted(None, Usage())

    class Ending(MemoryRuns):
        """The run's last event is written between two questions about it."""

        async def events(
            self, actor: Actor, run_id: UUID, after: int, *, limit: int = 1000
        ) -> tuple[Run, Sequence[Event]]:
            answer = await super().events(actor, run_id, after, limit=limit)
            if not answer[0].is_final:
                await desk.tells(desk.processes[0], EPOCH + 2, end, is_lost=True)
            return answer

    follow = desk.following(Ending(desk.state, desk.clock), desk.processes[0])

    assert await follow.check(ALICE, desk.run.id, EPOCH + 1)


class Held(MemoryRuns):
    """Answers nobody before the gate opens, and counts who asks meanwhile."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.state, desk.clock)
        self.gate = asyncio.Event()
        self.asking = self.most = 0

    async def events(
        self, actor: Actor, run_id: UUID, after: int, *, limit: int = 1000
    ) -> tuple[Run, Sequence[Event]]:
        self.asking += 1
        self.most = max(self.most, self.asking)
        await self.gate.wait()
        self.asking -= 1
        return await super().events(actor, run_id, after, limit=limit)


async def test_many_who_begin_to_read_leave_the_store_to_others() -> None:
    desk = Desk()
    await desk.happens([""], ends=False)
    runs = Held(desk)
    follow = desk.following(runs, desk.processes[0])

    checks = [asyncio.create_task(follow.check(ALICE, desk.run.id, 0)) for _ in range(100)]
    while runs.asking < AT_ONCE:
        await asyncio.sleep(0)
    runs.gate.set()
    found = await asyncio.gather(*checks)

    assert runs.most == AT_ONCE
    assert all(run is not None for run in found)


def test_a_reader_whose_turn_does_not_come_is_told_to_come_back() -> None:
    async def read() -> None:
        desk = Desk()
        await desk.happens([""], ends=False)
        runs = Held(desk)
        follow = desk.following(runs, desk.processes[0])
        held = [asyncio.create_task(follow.check(ALICE, desk.run.id, 0)) for _ in range(AT_ONCE)]
        while runs.asking < AT_ONCE:
            await asyncio.sleep(0)

        with pytest.raises(Overloaded):
            await follow.check(ALICE, desk.run.id, 0)
        runs.gate.set()
        await asyncio.gather(*held)
        assert await follow.check(ALICE, desk.run.id, 0)

    run_virtually(read())
