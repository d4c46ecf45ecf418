"""What a model takes of a request, learned from what its service refused."""

import re

import msgspec

from polyagent.domain.chat import ImagePart
from polyagent.domain.model import Prompt, PromptMessage
from polyagent.domain.response_format import JsonObject, JsonSchema, ResponseFormat

REFUSED_WITH = (400, 422)
FORMATS = ("json_schema", "json_object")

_FORMAT = re.compile(
    r"response_format|json[_ ]?(?:schema|object)|structured output|guided|grammar|schema",
    re.IGNORECASE,
)
_BLIND = re.compile(
    r"image_url is only supported|not a multimodal|at most 0 images?\b|unknown variant `image_url`"
    r"|(?:image input|images|vision|multimodal\w*)(?: input)? (?:is|are) not (?:supported|enabled)"
    r"|(?:not|n't) support (?:the use of )?(?:image|vision|multimodal)\w*(?![/\w])"
    r"|endpoints found that support image|missing data required for image"
    r"|content.{0,20} must be a string",
    re.IGNORECASE,
)
_BAD_SCHEMA = re.compile(r"invalid (?:json )?schema", re.IGNORECASE)


class Habits(msgspec.Struct, frozen=True):
    """False: it was refused. `takes_max_tokens`: under that name, else it wants `max_completion_tokens`."""

    tells_usage: bool = True
    takes_max_tokens: bool = True
    takes_json_schema: bool = True
    takes_json_object: bool = True
    takes_images: bool = True
    takes_tools: bool = True

    def format_for(self, asked: ResponseFormat | None) -> ResponseFormat | None:
        """Return the `response_format` to send: what was asked for, or the most that is taken of it."""
        if isinstance(asked, JsonSchema) and self.takes_json_schema:
            return asked
        if isinstance(asked, JsonSchema | JsonObject):
            return JsonObject() if self.takes_json_object else None
        return asked

    def after(self, status: int, refusal: bytes, prompt: Prompt) -> "Habits":
        """Return the habits to try next, the same ones if the refusal has other reasons."""
        text = refusal.decode("utf-8", "replace")
        if self.takes_images and _BLIND.search(text) and any(map(has_images, prompt.messages)):
            return msgspec.structs.replace(self, takes_images=False)
        if status not in REFUSED_WITH:
            return self
        if self.tells_usage and "stream_options" in text:
            return msgspec.structs.replace(self, tells_usage=False)
        if self.takes_max_tokens and "max_completion_tokens" in text:
            return msgspec.structs.replace(self, takes_max_tokens=False)
        return self._after_format(text, prompt)

    def refused(self) -> list[str]:
        """Return what is not sent any more, by the names that people know it under."""
        names = {
            "stream_options": self.tells_usage,
            "max_tokens": self.takes_max_tokens,
            "json_schema": self.takes_json_schema,
            "json_object": self.takes_json_object,
            "images": self.takes_images,
            "tools": self.takes_tools,
        }
        return [name for name, taken in names.items() if not taken]

    def _after_format(self, text: str, prompt: Prompt) -> "Habits":
        kind = kind_of(self.format_for(prompt.response_format))
        if kind not in FORMATS or not _FORMAT.search(text):
            return self
        return msgspec.structs.replace(self, **{f"takes_{kind}": False})


def is_about_the_schema(refusal: bytes) -> bool:
    """Return whether a refusal is for this one schema, and so teaches nothing about the next."""
    return _BAD_SCHEMA.search(refusal.decode("utf-8", "replace")) is not None


def kind_of(sent: ResponseFormat | None) -> str | None:
    """Return its name in the protocol."""
    return None if sent is None else str(sent.__struct_config__.tag)


def has_images(message: PromptMessage) -> bool:
    return any(isinstance(part, ImagePart) for part in message.parts)
