"""What a service is sent. https://platform.openai.com/docs/api-reference/chat/create"""

from typing import Any

import msgspec

from polyagent.adapters.openai.local import is_packaged, with_manners
from polyagent.domain.chat import ImagePart, Part, TextPart, text_of
from polyagent.domain.errors import ModalityUnsupported
from polyagent.domain.model import Prompt, PromptMessage


class Habits(msgspec.Struct, frozen=True):
    """What a service takes; learned from its refusals, and kept while the process lives."""

    tells_usage: bool = True
    takes_max_tokens: bool = True

    def after(self, status: int, refusal: bytes) -> "Habits":
        """Return the habits to try next, the same ones if the refusal has other reasons."""
        if status not in (400, 422):
            return self
        if self.tells_usage and b"stream_options" in refusal:
            return msgspec.structs.replace(self, tells_usage=False)
        if self.takes_max_tokens and b"max_completion_tokens" in refusal:
            return msgspec.structs.replace(self, takes_max_tokens=False)
        return self


def body_of(prompt: Prompt, model: str, habits: Habits) -> bytes:
    """Raises `ModalityUnsupported` for a part that cannot be sent."""
    if is_packaged(model):
        prompt = with_manners(prompt)
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message) for message in prompt.messages],
        "stream": True,
        **_settings(prompt, habits),
    }
    if habits.tells_usage:
        body["stream_options"] = {"include_usage": True}
    if prompt.tools:
        body["tools"] = [
            _tool(tool.name, tool.description, tool.parameters) for tool in prompt.tools
        ]
        if prompt.tool_choice is not None:
            body["tool_choice"] = prompt.tool_choice
        if prompt.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = prompt.parallel_tool_calls
    if prompt.response_format is not None:
        body["response_format"] = prompt.response_format
    return msgspec.json.encode(body)


def _settings(prompt: Prompt, habits: Habits) -> dict[str, Any]:
    given = msgspec.structs.asdict(prompt.settings)
    most = given.pop("max_output_tokens")
    given["max_tokens" if habits.takes_max_tokens else "max_completion_tokens"] = most
    return {name: value for name, value in given.items() if value is not None}


def _tool(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _message(message: PromptMessage) -> dict[str, Any]:
    """Strict services want a text without images as plain text, and null only where there are calls."""
    content: Any = text_of(message.parts)
    if not all(isinstance(part, TextPart) for part in message.parts):
        content = [_part(part) for part in message.parts]
    told: dict[str, Any] = {"role": message.role, "content": content}
    if message.role == "tool":
        told["tool_call_id"] = message.tool_call_id
    if message.calls:
        told["content"] = content or None
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.calls
        ]
    return told


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart) and part.document_id is None:
        url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
        return {"type": "image_url", "image_url": {"url": url}}
    raise ModalityUnsupported("A document cannot be a part of a message to a model.")
