"""The run engine as a state machine: hypothesis chooses what people, processes and the store do next."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Literal, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from polyagent.domain.agent import InDoubt
from polyagent.domain.errors import RunFinished, SessionBusy
from polyagent.domain.run import Run
from tests.fault_plan import Kind
from tests.fleet import Fleet, Reader, is_broken
from tests.process import Ground, Process
from tests.script import EFFECTS
from tests.stories import describe

T = TypeVar("T")

MOST_PROCESSES = 4

calls = st.lists(st.sampled_from([*EFFECTS]), min_size=1, max_size=3).map(" ".join)
steps = st.lists(calls, max_size=3).map(lambda each: [f"call {names}" for names in each])
plays = steps.map(lambda each: "; ".join([*each, "say well then done"]))
indexes = st.integers(0, 11)
unlucky_calls = st.sampled_from(
    [
        "Runs.admit",
        "Runs.cancel",
        "Journal.claim",
        "Journal.commit_step",
        "Journal.start_call",
        "Journal.finish_call",
        "Journal.hand_over",
        "Models.stream",
        "Events.publish",
    ]
)
misfortunes: st.SearchStrategy[Kind] = st.sampled_from(
    ["unavailable", "lost_answer", "slow", "slow_answer", "cancelled", "dies_before", "dies_after"]
)


class EngineMachine(RuleBasedStateMachine):
    """Several executors act as processes over one store. What RUNS.md promises is checked at the end.

    Between two rules no time passes and nothing happens: `loop` runs only while a rule does.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_ground: Callable[[], AbstractAsyncContextManager[Ground]],
    ) -> None:
        super().__init__()
        self._loop = loop
        self._stack = AsyncExitStack()
        self.fleet = self._do(self._open(open_ground))

    async def _open(self, open_ground: Callable[[], AbstractAsyncContextManager[Ground]]) -> Fleet:
        return Fleet(await self._stack.enter_async_context(open_ground()))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def _process(self, index: int) -> Process:
        return self.fleet.any_process(index)

    def _run(self, index: int) -> Run:
        return self.fleet.acknowledged[index % len(self.fleet.acknowledged)]

    @property
    def _has_runs(self) -> bool:
        return bool(self.fleet.acknowledged)

    @property
    def _has_readers(self) -> bool:
        return bool(self.fleet.readers)

    def _reader(self, index: int) -> Reader:
        return self.fleet.readers[index % len(self.fleet.readers)]

    @initialize(count=st.integers(1, 3), in_doubt=st.sampled_from(["tell_model", "fail"]))
    def processes_start(self, count: int, in_doubt: InDoubt) -> None:
        async def start() -> None:
            await self.fleet.opens(in_doubt)
            for _ in range(count):
                self.fleet.starts()
            await self.fleet.ground.clock.sleep(0.1)

        self._do(start())

    @rule(index=indexes, play=plays, background=st.booleans())
    def somebody_asks(self, index: int, play: str, background: bool) -> None:  # drawn
        async def ask() -> None:
            await self.fleet.asks(self._process(index), play, background=background)

        self._do(ask())

    @precondition(lambda self: self._has_runs)
    @rule(
        index=indexes,
        session=indexes,
        play=plays,
        policy=st.sampled_from(["enqueue", "enqueue", "reject"]),
    )
    def somebody_talks_on(
        self, index: int, session: int, play: str, policy: Literal["enqueue", "reject"]
    ) -> None:
        async def ask() -> None:
            session_id = self._run(session).session_id
            try:
                await self.fleet.asks(
                    self._process(index), play, session_id=session_id, policy=policy
                )
            except SessionBusy:
                assert policy == "reject"

        self._do(ask())

    @precondition(lambda self: self._has_runs)
    @rule(index=indexes, run=indexes)
    def somebody_cancels(self, index: int, run: int) -> None:
        async def cancel() -> None:
            process = self._process(index)
            task = process.spawn(process.manage.cancel(self.fleet.actor, self._run(run).id))
            await asyncio.wait([task])
            assert is_broken(task) or isinstance(task.exception(), RunFinished | None)

        self._do(cancel())

    @precondition(lambda self: self._has_runs)
    @rule(run=indexes, place=indexes)
    def a_reader_comes(self, run: int, place: int) -> None:
        """From the start, or from any place that another reader of the run has reached."""

        async def come() -> None:
            chosen = self._run(run)
            held = [r.at for r in self.fleet.readers if r.run.id == chosen.id]
            after = [0, *held][place % (1 + len(held))]
            self.fleet.follows(chosen, after)

        self._do(come())

    @precondition(lambda self: self._has_readers)
    @rule(reader=indexes)
    def a_reader_loses_its_connection(self, reader: int) -> None:
        self._reader(reader).disconnect()

    @precondition(lambda self: self._has_readers)
    @rule(reader=indexes)
    def a_reader_goes_away(self, reader: int) -> None:
        self._do(self._reader(reader).detach())
        self.fleet.readers.remove(self._reader(reader))

    @precondition(lambda self: len(self.fleet.living) < MOST_PROCESSES)
    @rule()
    def a_process_starts(self) -> None:
        async def start() -> None:
            self.fleet.starts()

        self._do(start())

    @rule(index=indexes)
    def a_process_dies(self, index: int) -> None:
        async def die() -> None:
            await self._process(index).dies()

        self._do(die())

    @rule(index=indexes)
    def a_process_drains(self, index: int) -> None:
        async def drain() -> None:
            await self._process(index).drains()

        self._do(drain())

    @rule(index=indexes, seconds=st.sampled_from([0.3, 2.0, 6.0]))
    def a_process_is_stopped_and_wakes(self, index: int, seconds: float) -> None:
        async def sleep() -> None:
            process = self._process(index)
            process.plan.pause()
            await self.fleet.ground.clock.sleep(seconds)
            process.plan.resume()

        self._do(sleep())

    @rule(index=indexes, times=st.integers(1, 12))
    def beats_get_lost(self, index: int, times: int) -> None:
        async def lose() -> None:
            self._process(index).plan.at_next("Journal.beat", "unavailable", times=times)

        self._do(lose())

    @rule(index=indexes, call=unlucky_calls, kind=misfortunes)
    def something_will_go_wrong(self, index: int, call: str, kind: Kind) -> None:
        async def foresee() -> None:
            self._process(index).plan.at_next(call, kind)

        self._do(foresee())

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self._do(self.fleet.ground.clock.sleep(seconds))

    def teardown(self) -> None:
        self._do(self._end())

    async def _end(self) -> None:
        try:
            await self.fleet.calms_down()
            await self.fleet.rests()
            await self.fleet.checks()
        except BaseException as error:
            error.add_note(describe(self.fleet))
            raise
        finally:
            await self.fleet.closes()
            await self._stack.aclose()
