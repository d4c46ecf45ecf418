"""One step of a run: what the model says next."""

import random
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from polyagent.domain.chat import Message
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
from polyagent.domain.model import DEFAULT_WINDOW_TOKENS, Finished, ModelInfo, Prompt
from polyagent.domain.tool import Tool
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.ports.telemetry import Meter
from polyagent.ports.tools import Tools
from polyagent.usecases.checks import model_info
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
        retries = shrinks = 0
        window = info.window_tokens if info else DEFAULT_WINDOW_TOKENS
        history = run.work.history
        offered = self._offered(run, info)
        draft = _begun(run, info, offered)
        while True:
            prompt = self._prompt(run, info, window, history, offered)
            try:
                return draft, await self._listen(run, draft, prompt)
            except ContextExceeded as error:
                shrinks += 1
                if shrinks > MAX_SHRINKS or not history:
                    raise
                window = min(error.window_tokens or window, window * 3 // 4)
            except ToolsRefused:
                if not offered:
                    raise
                offered = ()
                draft = _begun(run, info, offered)
            except ModelServiceRefused:
                # what was refused before is no reason to refuse all that comes after it
                if len(kept := answered(history)) == len(history):
                    raise
                history = kept
            except ModelServiceBroken:
                retries += 1
                if retries > MAX_RETRIES:
                    raise
                await self._again(run, retries)
                draft = _begun(run, info, offered)

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

    def _prompt(
        self,
        run: State,
        info: ModelInfo | None,
        window: int,
        history: Sequence[Message],
        offered: tuple[Tool, ...],
    ) -> Prompt:
        spec = run.work.spec
        most = self._most_tokens(run, info)
        reserve = min(most or ANSWER_TOKENS, window // 4)
        return Prompt(
            model=spec.model,
            messages=prompt_messages(
                spec.instructions,
                history,
                run.steps,
                budget_tokens=int((window - reserve) * 0.9),
            ),
            tools=offered,
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


def _begun(run: State, info: ModelInfo | None, offered: tuple[Tool, ...]) -> Draft:
    """Begin the step's message; at the head of the first one stands what is missing."""
    run.draft = draft = Draft(run.done + 1)
    if run.work.spec.tools_named and run.work.spec.tools and not offered and run.done == 0:
        run.narrator.say(draft.say(_without_tools(run, info)))
    return draft


def _without_tools(run: State, info: ModelInfo | None) -> str:
    name = info.name if info else "This model"
    tools = ", ".join(run.work.spec.tools)
    return f"[{name} cannot call tools, so this answer was made without {tools}.]\n\n"
