"""A model and tools whose part is written in the user's message, and a ledger of what tools really did.

The message is a play: steps that are separated by ";", each `say <words>` or `call <tools>`. What the
model says next follows from the prompt alone, so that any process goes on where another one ended.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from polyagent.domain.chat import text_of
from polyagent.domain.errors import ToolUnknown
from polyagent.domain.health import Component
from polyagent.domain.model import (
    CallDelta,
    Finished,
    ModelDelta,
    ModelInfo,
    Prompt,
    TextDelta,
)
from polyagent.domain.tool import CallContext, Effect, Tool, ToolResult
from polyagent.domain.usage import Usage
from polyagent.ports.clock import Clock

EFFECTS: Mapping[str, Effect] = {
    "read": "read", "write": "write", "once": "once", "broken": "read"
}  # fmt: skip
USAGE = Usage(input_tokens=1, output_tokens=1, total_tokens=2)
INFO = ModelInfo(name="script", service="memory", window_tokens=1_000_000, images=True)


class Execution(msgspec.Struct, frozen=True):
    """That a tool began to do what it does: from here on it may have had its effect."""

    key: str
    effect: Effect
    at: datetime
    process: str


Ledger = list[Execution]


class ScriptModels:
    """Speaks its part, a delta every `pace_s`."""

    def __init__(self, clock: Clock, pace_s: float) -> None:
        self._clock = clock
        self._pace_s = pace_s

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        verb, *words = _next_step(prompt)
        for delta in _called(words) if verb == "call" else _said(words):
            await self._clock.sleep(self._pace_s)
            yield delta

    async def info(self, model: str | None) -> ModelInfo:
        return INFO

    async def list(self) -> Sequence[ModelInfo]:
        return [INFO]

    async def health(self) -> Component:
        return Component(status="ok")


def _next_step(prompt: Prompt) -> list[str]:
    roles = [message.role for message in prompt.messages]
    asked = len(roles) - 1 - roles[::-1].index("user")
    steps = text_of(prompt.messages[asked].parts).split(";")
    done = roles[asked:].count("assistant")
    return steps[done].split() if done < len(steps) else ["say", "over"]


def _said(words: Sequence[str]) -> Iterator[ModelDelta]:
    yield from (TextDelta(f"{word} ") for word in words)
    yield Finished(reason="stop", model=INFO.name, usage=USAGE)


def _called(names: Sequence[str]) -> Iterator[ModelDelta]:
    yield TextDelta("see ")
    yield from (CallDelta(n, f'{{"n": {n}}}', name) for n, name in enumerate(names))
    yield Finished(reason="tool_calls", model=INFO.name, usage=USAGE)


class ScriptTools:
    """A tool of each effect, and one that is broken; each enters what it does into the ledger."""

    def __init__(self, clock: Clock, pace_s: float, ledger: Ledger, process: str) -> None:
        self._clock = clock
        self._pace_s = pace_s
        self._ledger = ledger
        self._process = process

    def list(self) -> Sequence[Tool]:
        return [self.get(name) for name in EFFECTS]

    def get(self, name: str) -> Tool:
        if name not in EFFECTS:
            raise ToolUnknown(f"There is no tool {name!r} here.")
        return Tool(name=name, description=name, parameters={}, effect=EFFECTS[name])

    async def call(
        self, name: str, arguments: Mapping[str, Any], context: CallContext
    ) -> ToolResult:
        effect = self.get(name).effect
        key, now = context.idempotency_key, self._clock.now()
        self._ledger.append(Execution(key, effect, now, self._process))
        await self._clock.sleep(self._pace_s)
        if name == "broken":
            return ToolResult(state="failed", error="It is broken.")
        return ToolResult(state="done", result={"key": key})


def key_of(run_id: UUID, step: int, position: int) -> str:
    """Return the key under which a call is made."""
    return f"{run_id}/{step}/{position}"
