"""One step of a run: what the model says next."""

import random
from contextlib import aclosing

import msgspec

from polyagent.domain.compaction import result_tokens
from polyagent.domain.context import answered, prompt_messages
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
from polyagent.domain.tool import Tool
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.ports.telemetry import Meter
from polyagent.ports.tools import Tools
from polyagent.usecases.checks import model_info
from polyagent.usecases.execution.asking import Asking
from polyagent.usecases.execution.compactor import Compactor
from polyagent.usecases.execution.draft import Draft
from polyagent.usecases.execution.state import State

MAX_RETRIES = 2
RETRY_PAUSE_S = 0.5
MAX_SHRINKS = 3
ANSWER_TOKENS = 1024
DEMONSTRATION_TOKENS = 512


class ModelStep:
    """Ask the model, show what it says, record it; a stream that breaks off is tried again."""

    def __init__(self, models: Models, tools: Tools, clock: Clock, meter: Meter) -> None:
        self._models = models
        self._tools = tools
        self._clock = clock
        self._meter = meter
        self._compactor = Compactor(models, clock, meter)

    async def __call__(self, run: State) -> bool:
        """Record the next step; True if it was the last one."""
        if run.done >= run.max_steps:
            raise LimitReached(f"The run reached its limit of {run.max_steps} steps.")
        info = await model_info(self._models, run.work.spec.model)
        draft, finished = await self._answer(run, info)
        calls = draft.calls(self._tools)
        incomplete = finished.reason in ("length", "content_filter") and not calls
        message = draft.message(run.work.run, self._clock.now(), calls, incomplete=incomplete)
        told: list[EventBody] = [
            MessageCompleted(draft.step, message, finished.raw_reason or finished.reason),
            UsageReported(draft.step, finished.model, finished.usage),
            *(ToolCalled(draft.step, call.id, call.name, call.arguments) for call in calls),
        ]
        if not calls:
            told.append(RunCompleted(message.id, run.usage + finished.usage))
        await run.commit(
            "running" if calls else "completed",
            tuple(told),
            message=message,
            usage=finished.usage,
        )
        self._meter.tokens_used(finished.usage)
        return not calls

    async def _answer(self, run: State, info: ModelInfo | None) -> tuple[Draft, Finished]:
        ask = Asking(run, info, self._offered(run, info))
        await self._compactor.make_room(run, self._budget(run, ask))
        ask.begin()
        while True:
            prompt = self._prompt(run, ask)
            try:
                finished = await self._listen(run, ask.draft, prompt)
            except (ModelServiceRefused, ModelServiceBroken) as error:
                await self._mend(run, ask, error)
            else:
                self._compactor.learn(run, prompt, finished)
                return ask.draft, finished

    async def _mend(
        self, run: State, ask: Asking, error: ModelServiceRefused | ModelServiceBroken
    ) -> None:
        """Change what is asked so that another try may do; raise the error where there is nothing to change."""
        match error:
            case ContextExceeded():
                await self._shrink(run, ask, error)
            case ToolsRefused() if ask.offered:
                ask.offered = ()
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
        ask.shrinks += 1
        ask.window = min(error.window_tokens or ask.window, ask.window * 3 // 4)
        if ask.shrinks > MAX_SHRINKS:
            raise error
        if not await self._compactor.make_room(run, self._budget(run, ask), at_once=True):
            raise error
        run.draft = ask.draft

    async def _listen(self, run: State, draft: Draft, prompt: Prompt) -> Finished:
        began = self._clock.monotonic()
        silent = run.done == 0
        async with aclosing(self._models.stream(prompt)) as deltas:
            async for delta in deltas:
                if silent:
                    silent = False
                    self._meter.first_token(self._clock.monotonic() - began)
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
        await run.commit("running", (resumed,), retried=True)
        await self._clock.sleep(random.uniform(0, RETRY_PAUSE_S * 2**retries))  # noqa: S311  # jitter

    def _offered(self, run: State, info: ModelInfo | None) -> tuple[Tool, ...]:
        if info is not None and not info.tools:
            return ()
        known = {tool.name: tool for tool in self._tools.list()}
        named = [known[name] for name in run.work.spec.tools if name in known]
        return tuple(tool for tool in named if tool.available or run.work.spec.tools_named)

    def _budget(self, run: State, ask: Asking) -> int:
        """Return how many tokens of the window the conversation may have."""
        reserve = min(self._most_tokens(run, ask.info) or ANSWER_TOKENS, ask.window // 4)
        return self._compactor.budget(run, ask.window - reserve, ask.offered)

    def _prompt(self, run: State, ask: Asking) -> Prompt:
        spec = run.work.spec
        most = self._most_tokens(run, ask.info)
        return Prompt(
            model=spec.model,
            messages=prompt_messages(
                spec.instructions, run.talk, result_tokens=result_tokens(ask.window)
            ),
            tools=ask.offered,
            settings=msgspec.structs.replace(spec.settings, max_output_tokens=most),
            response_format=spec.response_format,
        )

    def _most_tokens(self, run: State, info: ModelInfo | None) -> int | None:
        """Return how long the answer may be; None leaves it to the service."""
        left = run.max_output_tokens - run.usage.output_tokens
        if left <= 0:
            raise LimitReached(f"The run reached its limit of {run.max_output_tokens} tokens.")
        spec = run.work.spec
        asked = spec.settings.max_output_tokens
        if asked is None and info is not None and info.demonstration:
            asked = DEMONSTRATION_TOKENS
        if asked is None and spec.limits.max_output_tokens is None:
            return None
        return min(left, asked or left)
