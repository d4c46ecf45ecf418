"""The messages of a request, as the model is told them: each call has its answer right behind it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NoReturn

from polyagent.adapters.http.front.wire import (
    AssistantMessage,
    AudioContent,
    CompletionMessage,
    Content,
    FileContent,
    FunctionCall,
    FunctionMessage,
    ImageContent,
    TextContent,
    ToolMessage,
    UserMessage,
)
from polyagent.domain.chat import ImagePart, Part, TextPart
from polyagent.domain.context import prompt_call
from polyagent.domain.errors import Fault, Invalid
from polyagent.domain.model import PromptCall, PromptMessage
from polyagent.domain.tool import ToolCall, arguments_of

ID_CHARACTERS = 40
"""Of a call's id: services refuse longer ones."""


def told(messages: Sequence[CompletionMessage]) -> tuple[PromptMessage, ...]:
    """Return a conversation that every model service takes. Raises `Invalid`."""
    return tuple(_Pairing().told(messages))


class _Pairing:
    """Sees that no call is without its answer, no answer without its call, and no id with two calls.

    Clients repeat the ids of local models, which count from 0 in each answer: later ones are renamed, always alike.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._named: Counter[str] = Counter()
        self._open: dict[str, str] = {}

    def told(self, messages: Sequence[CompletionMessage]) -> Iterator[PromptMessage]:
        for n, message in enumerate(messages):
            at = f"#/messages/{n}"
            if isinstance(message, ToolMessage):
                yield self._answer(at, message)
                continue
            self._require_answered(at)
            if isinstance(message, AssistantMessage):
                yield from self._assistant(at, message)
            elif isinstance(message, FunctionMessage):
                _refuse(at, "Messages of the role function are out of date: use tools.")
            else:
                is_user = isinstance(message, UserMessage)
                parts = _parts(at, message.content, may_show=is_user)
                yield PromptMessage(role="user" if is_user else "system", parts=parts)
        self._require_answered(f"#/messages/{len(messages) - 1}")

    def _require_answered(self, at: str) -> None:
        if self._open:
            names = ", ".join(self._open)
            _refuse(at, f"These tool calls have no tool message yet: {names}. Answer each.")

    def _answer(self, at: str, message: ToolMessage) -> PromptMessage:
        answered = message.tool_call_id
        if answered not in self._open:
            why = "has its answer already" if answered in self._seen else "was not made"
            _refuse(f"{at}/tool_call_id", f"The call {answered!r} {why} before this tool message.")
        parts = _parts(at, message.content, may_show=False)
        return PromptMessage(role="tool", parts=parts, tool_call_id=self._open.pop(answered))

    def _assistant(self, at: str, message: AssistantMessage) -> Iterator[PromptMessage]:
        if message.function_call is not None:
            _refuse(f"{at}/function_call", "function_call is out of date: use tool_calls.")
        parts = _parts(at, message.content or "", may_show=False)
        calls = tuple(
            self._call(f"{at}/tool_calls/{n}", call)
            for n, call in enumerate(message.tool_calls or ())
        )
        if parts or calls:
            yield PromptMessage(role="assistant", parts=parts, calls=calls)

    def _call(self, at: str, call: FunctionCall) -> PromptCall:
        if call.id in self._open:
            _refuse(f"{at}/id", f"The id {call.id!r} stands for two calls: give each its own.")
        self._open[call.id] = id_ = self._id(call.id)
        text = call.function.arguments
        arguments = arguments_of(text)
        made = prompt_call(ToolCall(id=id_, name=call.function.name, arguments=arguments))
        if isinstance(arguments, dict) and text.startswith("{"):
            return PromptCall(id=made.id, name=made.name, arguments=text)
        return made

    def _id(self, wanted: str) -> str:
        """Return an id that no call had before."""
        stem, id_ = wanted[: ID_CHARACTERS - 8], wanted
        while id_ in self._seen:
            self._named[stem] += 1
            id_ = f"{stem}_{self._named[stem]}"
        self._seen |= {wanted, id_}
        return id_


def _parts(at: str, content: str | list[Content], *, may_show: bool) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    found = (_part(f"{at}/content/{n}", part, may_show=may_show) for n, part in enumerate(content))
    return tuple(part for part in found if part is not None)


def _part(at: str, part: Content, *, may_show: bool) -> Part | None:
    if isinstance(part, TextContent):
        return TextPart(part.text)
    if isinstance(part, AudioContent | FileContent):
        _refuse(
            at,
            "Audio and files are not taken: send text and images, or ask an agent with documents.",
        )
    if not isinstance(part, ImageContent):
        return None
    if not may_show:
        _refuse(at, "Only a user's message may show images.")
    return _image(f"{at}/image_url/url", part.image_url.url)


def _image(at: str, url: str) -> ImagePart:
    scheme, _, rest = url.partition(":")
    if scheme.lower() in ("http", "https"):
        return ImagePart(url=url)
    head, comma, data = rest.partition(",")
    media_type, _, coding = head.partition(";")
    if scheme.lower() != "data" or not comma or coding.lower() != "base64":
        _refuse(at, "An image is an http(s) address, or data:<type>;base64,<data>.")
    image = ImagePart(data=data, media_type=media_type or None)
    try:
        image.require_sound()
    except ValueError as error:
        _refuse(at, str(error))
    return image


def _refuse(at: str, detail: str) -> NoReturn:
    raise Invalid(detail, faults=(Fault(at, detail),))
