"""What a service is sent. https://platform.openai.com/docs/api-reference/chat/create"""

from typing import Any

import msgspec

from polyagent.adapters.openai.knowing.habits import Habits, has_images
from polyagent.adapters.openai.local import is_packaged, with_manners
from polyagent.domain.chat import ImagePart, Part, TextPart, text_of
from polyagent.domain.context import without_images
from polyagent.domain.errors import ModalityUnsupported
from polyagent.domain.model import Prompt, PromptMessage
from polyagent.domain.response_format import JsonSchema, ResponseFormat


def body_of(prompt: Prompt, model: str, habits: Habits) -> bytes:
    """Raises `ModalityUnsupported` for a part that cannot be sent."""
    if is_packaged(model):
        prompt = with_manners(prompt)
    if not habits.takes_images:
        prompt = _without_images(prompt, model)
    response_format = habits.format_for(prompt.response_format)
    if response_format != prompt.response_format:
        prompt = _with_instruction(prompt)
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
        body |= habits.beside_tools(prompt)
    if response_format is not None:
        body["response_format"] = response_format
    return msgspec.json.encode(body)


def _settings(prompt: Prompt, habits: Habits) -> dict[str, Any]:
    given = msgspec.structs.asdict(prompt.settings)
    most = given.pop("max_output_tokens")
    if prompt.tools and not habits.takes_effort_with_tools:
        del given["reasoning_effort"]
    given["max_tokens" if habits.takes_max_tokens else "max_completion_tokens"] = most
    return {name: value for name, value in given.items() if value is not None}


def _without_images(prompt: Prompt, model: str) -> Prompt:
    """Leave out images of turns that are past; raises `ModalityUnsupported` for one that is asked about."""
    asked = next((m for m in reversed(prompt.messages) if m.role == "user"), None)
    if asked and has_images(asked):
        raise ModalityUnsupported(f"The model {model} takes no images: send text, or name another.")
    return msgspec.structs.replace(prompt, messages=without_images(prompt.messages))


def _with_instruction(prompt: Prompt) -> Prompt:
    """Say in the system message what the service takes no `response_format` for."""
    instruction = TextPart(_instruction(prompt.response_format))
    first, *rest = prompt.messages
    if first.role == "system":
        told = msgspec.structs.replace(
            first, parts=(TextPart(f"{text_of(first.parts)}\n\n"), instruction)
        )
        return msgspec.structs.replace(prompt, messages=(told, *rest))
    told = PromptMessage(role="system", parts=(instruction,))
    return msgspec.structs.replace(prompt, messages=(told, *prompt.messages))


def _instruction(asked: ResponseFormat | None) -> str:
    if not isinstance(asked, JsonSchema):
        return "Answer with one JSON object and nothing else."
    text = msgspec.json.encode(asked.json_schema.schema).decode()
    return f"Answer with JSON and nothing else. It must fit this JSON Schema: {text}"


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
