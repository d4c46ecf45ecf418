"""Executing a run, from wherever it stands to its end."""

import asyncio

from polyagent.domain.errors import Cancelled, Fenced, LimitReached, PolyAgentError
from polyagent.domain.run import RunDefaults, RunError, Work
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events
from polyagent.ports.executor import Control
from polyagent.ports.journal import Journal
from polyagent.ports.models import Models
from polyagent.ports.schemas import Schemas
from polyagent.ports.telemetry import Meter
from polyagent.ports.tools import Tools
from polyagent.usecases.execution.model_step import ModelStep
from polyagent.usecases.execution.narrator import Narrator, settled
from polyagent.usecases.execution.state import State
from polyagent.usecases.execution.structured import StructuredAnswers
from polyagent.usecases.execution.tool_step import ToolStep


class ExecuteRun:
    """The loop of model and tools. Every step is journaled before the next begins."""

    def __init__(
        self,
        journal: Journal,
        models: Models,
        tools: Tools,
        events: Events,
        clock: Clock,
        meter: Meter,
        schemas: Schemas,
        defaults: RunDefaults,
    ) -> None:
        self._journal = journal
        self._events = events
        self._clock = clock
        self._meter = meter
        self._defaults = defaults
        structured = StructuredAnswers(schemas, clock)
        self._model_step = ModelStep(models, tools, clock, meter, structured)
        self._tool_step = ToolStep(tools, journal, clock)

    async def __call__(self, work: Work, control: Control) -> None:
        """Execute `work` until the run ends, is handed over, or turns out to be another's.

        Cancelling the task cancels the run if `control` says so; otherwise the run is left as it
        stands, for somebody else to take over.
        """
        self._events.publish(work.begun)
        narrator = Narrator(work, self._events, self._clock)
        run = State(
            work, control, self._journal, narrator, self._clock, self._meter, self._defaults
        )
        try:
            await self._to_its_end(run)
        except Fenced:
            return
        except asyncio.CancelledError:
            if not control.cancel_asked:
                raise
            await self._end_cancelled(run)

    async def _to_its_end(self, run: State) -> None:
        try:
            async with asyncio.timeout(self._time_left_s(run)) as timer:
                await self._loop(run)
        except Fenced:
            raise
        except Cancelled:
            await self._end_cancelled(run)
        except TimeoutError:
            if not timer.expired():
                raise
            await self._fail(run, LimitReached(f"The run took longer than {run.timeout_s:g} s."))
        except PolyAgentError as error:
            await self._fail(run, error)

    async def _loop(self, run: State) -> None:
        if run.work.cancel_asked:
            raise Cancelled("The run is to be cancelled.")
        while True:
            run.require_budget()
            await self._tool_step(run)
            if run.control.draining:
                await settled(lambda: self._journal.hand_over(run.work.lease), self._clock)
                return
            if await self._model_step(run):
                self._meter.run_ended("completed")
                return

    def _time_left_s(self, run: State) -> float:
        started = run.work.run.started_at
        spent_s = (self._clock.now() - started).total_seconds() if started else 0.0
        return max(0.0, run.timeout_s - max(0.0, spent_s))

    async def _fail(self, run: State, error: PolyAgentError) -> None:
        await run.fail(RunError(code=error.code, detail=error.detail, retryable=error.retryable))
        self._meter.run_ended("failed")

    async def _end_cancelled(self, run: State) -> None:
        try:
            await run.cancel()
        except Fenced:
            return
        self._meter.run_ended("cancelled")
