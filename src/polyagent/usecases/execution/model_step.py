"""One step of a run: what the model says next."""

import random
from contextlib import aclosing

from polyagent.domain.context import answered
from polyagent.domain.errors import (
    ContextExceeded,
    LimitReached,
    ModelServiceBroken,
    ModelServiceRefused,
    ToolsRefused,
)
from polyagent.domain.event import (
    EventBody,
    MessageCompleted,
    RunCompleted,
    RunResumed,
    ToolCalled,
    UsageReported,
)
from polyagent.domain.model import Finished, ModelInfo, Prompt
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.ports.telemetry import Meter
from polyagent.ports.tools import Tools
from polyagent.usecases.checks import model_info
from polyagent.usecases.execution.asking import Asking
from polyagent.usecases.execution.compactor import Compactor
from polyagent.usecases.execution.draft import Draft
from polyagent.usecases.execution.state import State
from polyagent.usecases.execution.structured import StructuredAnswers

MAX_RETRIES = 2
RETRY_PAUSE_S = 0.5
MAX_SHRINKS = 3


class ModelStep:
    """Ask the model, show what it says, record it; a stream that breaks off is tried again."""

    def __init__(
        self,
        models: Models,
        tools: Tools,
        clock: Clock,
        meter: Meter,
        structured: StructuredAnswers,
    ) -> None:
        self._models = models
        self._tools = tools
        self._clock = clock
        self._meter = meter
        self._compactor = Compactor(models, clock)
        self._structured = structured

    async def __call__(self, run: State) -> bool:
        """Record the next step; True if it was the last one."""
        if run.done >= run.max_steps:
            raise LimitReached(f"The run reached its limit of {run.max_steps} steps.")
        info = await model_info(self._models, run.work.spec.model)
        run.info = info
        draft, finished = await self._answer(run, info)
        while not await self._structured.accepts(run, draft, finished):
            draft, finished = await self._answer(run, info)
        calls = draft.calls(self._tools)
        is_last = all(run.work.spec.is_for_client(call.name) for call in calls)
        incomplete = finished.reason in ("length", "content_filter") and is_last
        message = draft.message(
            run.work.run,
            self._clock.now(),
            calls,
            citations=run.cited(draft.text),
            incomplete=incomplete,
        )
        told: list[EventBody] = [
            MessageCompleted(draft.step, message, finished.raw_reason or finished.reason),
            UsageReported(draft.step, finished.model, finished.usage),
            *(ToolCalled(draft.step, call.id, call.name, call.arguments) for call in calls),
        ]
        if is_last:
            told.append(RunCompleted(message.id, run.usage + finished.usage))
        await run.commit(
            "completed" if is_last else "running",
            tuple(told),
            message=message,
        )
        return is_last

    async def _answer(self, run: State, info: ModelInfo | None) -> tuple[Draft, Finished]:
        ask = Asking(run, info, self._tools)
        await self._compactor.make_room(run, ask)
        ask.begin()
        while True:
            prompt = ask.prompt()
            thought = ask.thought_tokens(prompt)
            try:
                ask.require_room(thought)
                finished = await self._listen(run, ask.draft, prompt, thought)
            except (ModelServiceRefused, ModelServiceBroken) as error:
                await self._mend(run, ask, error)
            else:
                self._compactor.learn(run, thought, finished)
                return ask.draft, finished

    async def _mend(
        self, run: State, ask: Asking, error: ModelServiceRefused | ModelServiceBroken
    ) -> None:
        """Change what is asked so that another try may do; raise the error where there is nothing to change."""
        match error:
            case ContextExceeded():
                await self._shrink(run, ask, error)
            case ToolsRefused() if ask.offered and not run.work.spec.client_tools:
                ask.drop_tools()
                ask.begin()
            case ModelServiceBroken() if ask.retries < MAX_RETRIES:
                ask.retries += 1
                await self._again(run, ask.retries)
                ask.begin()
            # what was refused before is no reason to refuse all that comes after it
            case ModelServiceRefused() if len(kept := answered(run.history)) < len(run.history):
                run.history = kept
            case _:
                raise error

    async def _shrink(self, run: State, ask: Asking, error: ContextExceeded) -> None:
        """Ask with less; raise the error where that would be the same again."""
        before = ask.prompt().messages
        ask.shrinks += 1
        ask.fit(min(error.window_tokens or ask.window, ask.window * 3 // 4))
        if ask.shrinks > MAX_SHRINKS:
            raise error
        await self._compactor.make_room(run, ask, at_once=True)
        run.draft = ask.draft
        if ask.prompt().messages == before:
            raise error

    async def _listen(self, run: State, draft: Draft, prompt: Prompt, thought: int) -> Finished:
        call = run.begin_call(thought)
        began = self._clock.monotonic()
        silent = run.done == 0
        async with aclosing(self._models.stream(prompt)) as deltas:
            async for delta in deltas:
                if silent:
                    silent = False
                    self._meter.first_token(self._clock.monotonic() - began)
                call.hear(delta)
                if (event := draft.add(delta)) is not None:
                    run.narrator.say(event)
        if draft.finished is None:
            raise ModelServiceBroken("The model's answer has no end.")
        if draft.is_empty and draft.finished.reason not in ("length", "content_filter"):
            raise ModelServiceBroken("The model answered nothing.")
        return draft.finished

    async def _again(self, run: State, retries: int) -> None:
        """Void the step's deltas and wait a moment, more with each try, with full jitter."""
        run.draft = None
        run.attempt += 1
        resumed = RunResumed(run.attempt, "retry", run.done + 1)
        await run.commit("running", (*run.unsettled, resumed), retried=True)
        run.require_budget()
        await self._clock.sleep(random.uniform(0, RETRY_PAUSE_S * 2**retries))  # noqa: S311  # jitter
