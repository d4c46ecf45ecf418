"""The language model that comes with PolyAgent: what it is, and what helps it."""

import msgspec

from polyagent.domain.chat import TextPart
from polyagent.domain.model import Prompt, PromptMessage

DETAIL = (
    "A demonstration model of 135 million parameters: English only, often wrong, without tools. "
    "It is there so that everything works before you have a key; set PYTHON_AI_URL for a real one."
)
SYSTEM = "You are a helpful AI assistant named PolyAgent. Answer in one or two short sentences."


def is_packaged(model: str) -> bool:
    return model.startswith("local/smollm2")


def with_manners(prompt: Prompt) -> Prompt:
    """Return the prompt as the model does best with it: no tools, no chance, and always a system message."""
    messages = prompt.messages
    if not any(message.role == "system" for message in messages):
        messages = (PromptMessage(role="system", parts=(TextPart(SYSTEM),)), *messages)
    settings = prompt.settings
    if settings.temperature is None:
        settings = msgspec.structs.replace(settings, temperature=0.0)
    return msgspec.structs.replace(prompt, messages=messages, settings=settings, tools=())
