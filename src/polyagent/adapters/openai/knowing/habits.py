"""What a model takes of a request, learned from what its service refused."""

from typing import Any

import msgspec

from polyagent.domain.chat import ImagePart
from polyagent.domain.model import Prompt, PromptMessage
from polyagent.domain.response_format import JsonObject, JsonSchema, ResponseFormat

FORMATS = ("json_schema", "json_object")


class Habits(msgspec.Struct, frozen=True):
    """False: it was refused. `takes_max_tokens`: under that name, else it wants `max_completion_tokens`.

    `takes_tool_choice`: one that forces a call.
    """

    tells_usage: bool = True
    takes_max_tokens: bool = True
    takes_json_schema: bool = True
    takes_json_object: bool = True
    takes_images: bool = True
    takes_tools: bool = True
    takes_tool_choice: bool = True
    takes_parallel_tool_calls: bool = True
    takes_effort_with_tools: bool = True

    def format_for(self, asked: ResponseFormat | None) -> ResponseFormat | None:
        """Return the `response_format` to send: what was asked for, or the most that is taken of it."""
        if isinstance(asked, JsonSchema) and self.takes_json_schema:
            return asked
        if isinstance(asked, JsonSchema | JsonObject):
            return JsonObject() if self.takes_json_object else None
        return asked

    def beside_tools(self, prompt: Prompt) -> dict[str, Any]:
        """Return what is said of the tools beside them: a call that cannot be forced is left to the model."""
        said: dict[str, Any] = {}
        if prompt.tool_choice is not None and (self.takes_tool_choice or not prompt.forces_a_call):
            said["tool_choice"] = prompt.tool_choice
        if prompt.parallel_tool_calls is not None and self.takes_parallel_tool_calls:
            said["parallel_tool_calls"] = prompt.parallel_tool_calls
        return said if prompt.tools else {}

    def refused(self) -> list[str]:
        """Return what is not sent any more, by the names that people know it under."""
        names = {
            "stream_options": self.tells_usage,
            "max_tokens": self.takes_max_tokens,
            "json_schema": self.takes_json_schema,
            "json_object": self.takes_json_object,
            "images": self.takes_images,
            "tools": self.takes_tools,
            "tool_choice": self.takes_tool_choice,
            "parallel_tool_calls": self.takes_parallel_tool_calls,
        }
        return [name for name, taken in names.items() if not taken]


def kind_of(sent: ResponseFormat | None) -> str | None:
    """Return its name in the protocol."""
    return None if sent is None else str(sent.__struct_config__.tag)


def has_images(message: PromptMessage) -> bool:
    return any(isinstance(part, ImagePart) for part in message.parts)
