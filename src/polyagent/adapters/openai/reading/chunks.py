"""The chunks of a streamed answer, in every shape that services give them.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from polyagent.adapters.openai.reading.malformed import Malformed


class Function(msgspec.Struct):
    name: Any = None
    arguments: Any = None


class CallPiece(msgspec.Struct):
    index: Any = None
    id: Any = None
    function: Function | None = None


class Delta(msgspec.Struct):
    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[CallPiece | None] | None = None

    @property
    def only_text(self) -> str | None:
        """Return `content` if that is a text and all there is."""
        others = self.refusal or self.reasoning_content or self.reasoning or self.tool_calls
        return self.content if isinstance(self.content, str) and not others else None

    def texts(self) -> Iterator[str]:
        """Return what is said: `content` is a text or a list of parts, unknown ones among them."""
        for said in (self.content, self.refusal):
            yield from _texts(said, "text")

    def thoughts(self) -> Iterator[str]:
        """Return what is thought: in a field of its own, under one of two names, or as parts of `content`."""
        yield from _texts(self.reasoning_content or self.reasoning, "text")
        for part in self.content if isinstance(self.content, list) else ():
            if isinstance(part, dict) and part.get("type") == "thinking":
                yield from _texts(part.get("thinking"), "text")


class Choice(msgspec.Struct):
    """`message` stands in for `delta` where a service answers in one piece."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: Any = None
    usage: Any = None


class Chunk(msgspec.Struct):
    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    model: Any = None
    x_groq: Any = None

    @property
    def told_usage(self) -> Any:
        """Return the usage of where it stands: Moonshot has it in the choice, Groq in `x_groq`."""
        told = self.usage or (self.choices[0].usage if self.choices else None)
        return told or (self.x_groq.get("usage") if isinstance(self.x_groq, dict) else None)


_decode = msgspec.json.Decoder(Chunk).decode


def chunk_of(data: bytes) -> Chunk | None:
    """Return the chunk, None for JSON that is no object. Raises `Malformed`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _leniently(data)


def _leniently(data: bytes) -> Chunk | None:
    """Decode what msgspec refuses and services send: lone surrogates, bad UTF-8, NaN."""
    try:
        value = json.loads(data.decode("utf-8", "replace"))
        return msgspec.convert(value, Chunk) if isinstance(value, dict) else None
    except (ValueError, RecursionError) as error:
        raise Malformed("what is not a part of an answer") from error


def _texts(value: Any, kind: str) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, str):
                yield part
            elif isinstance(part, dict) and part.get("type", kind) == kind:
                yield from _texts(part.get(kind), kind)
