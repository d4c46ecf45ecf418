"""What goes to a model and what comes back, in the terms of the OpenAI protocol."""

from typing import Any, Literal

import msgspec

from polyagent.domain.agent import ModelSettings
from polyagent.domain.chat import Part
from polyagent.domain.response_format import ResponseFormat
from polyagent.domain.tool import Tool
from polyagent.domain.usage import Price, Usage

DEFAULT_WINDOW_TOKENS = 8192

ToolChoice = str | dict[str, Any]
"""`auto`, `none`, `required`, or the protocol's object that names one function."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "other"]


class PromptCall(msgspec.Struct, frozen=True, kw_only=True):
    """`arguments` is the text of one JSON object."""

    id: str
    name: str
    arguments: str


class PromptMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`role` tool answers the call `tool_call_id`; every call has exactly one such answer."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...] = ()
    calls: tuple[PromptCall, ...] = ()
    tool_call_id: str | None = None


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One model call. `model` None: the service's default."""

    model: str | None = None
    messages: tuple[PromptMessage, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    settings: ModelSettings = ModelSettings()
    response_format: ResponseFormat | None = None

    @property
    def forces_a_call(self) -> bool:
        return self.tool_choice not in (None, "auto", "none")


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model; `window_tokens` holds prompt and answer. `demonstration`: the packaged local one.

    `window_guessed`: nobody has told how large it is.
    """

    name: str
    service: str
    window_tokens: int
    window_guessed: bool = False
    tools: bool = True
    images: bool | None = None
    demonstration: bool = False
    price: Price | None = None


class TextDelta(msgspec.Struct, frozen=True):
    text: str


class ThoughtDelta(msgspec.Struct, frozen=True):
    text: str


class CallDelta(msgspec.Struct, frozen=True):
    """A piece of the arguments of the call at `index` (0, 1, ... in the order of first sight).

    `name` is whole and comes with the first piece of a call.
    """

    index: int
    text: str
    name: str | None = None


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """The last thing of a stream. `reason` is told by the service, `other` where it said nothing known."""

    reason: FinishReason
    model: str
    usage: Usage
    raw_reason: str | None = None


ModelDelta = TextDelta | ThoughtDelta | CallDelta | Finished
