"""What a model is told of a conversation: every call with its result, and nothing that it cannot hold."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, takewhile
from typing import Any

import msgspec
from msgspec.structs import replace

from polyagent.domain.chat import FilePart, ImagePart, Message, Part, TextPart, text_of
from polyagent.domain.model import PromptCall, PromptMessage
from polyagent.domain.tool import Tool, ToolCall

IMAGE_TOKENS = 1000
MESSAGE_TOKENS = 6
UNSEEN = "[An image was sent here. You cannot see images.]"
ATTACHED = "[A document is attached here.]"

SUMMARY_HEAD = "[The conversation so far, as the server has summarised it:"
SUMMARY_FOOT = "End of the summary.]"

# A model makes names up, and services refuse a history with one that no function could have.
# https://platform.openai.com/docs/api-reference/chat/create
_NOT_OF_A_NAME = re.compile("[^A-Za-z0-9_-]")
NAME_CHARACTERS = 64
UNNAMED = "unnamed"

# Upper bytes of the UTF-16 of wide characters: Hangul, CJK, and all that is written as surrogates.
_WIDE = bytes([0x11, *range(0x2E, 0xA5), *range(0xAC, 0xE0), 0xF9, 0xFA])


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """`summary` stands for all that came before `history` (earlier turns); `steps` are the run's own.

    Both are oldest first; the first of `steps` is the run's request.
    """

    summary: Message | None = None
    history: tuple[Message, ...] = ()
    steps: tuple[Message, ...] = ()


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has: a wide character (CJK, emoji) each, else four characters.

    It runs on the event loop, over megabytes: a few copies in C, and nothing for each character.
    """
    narrow = len(text)
    if not text.isascii():
        upper = text.encode("utf-16-le", "surrogatepass")[1::2]
        narrow = len(upper.translate(None, _WIDE))
    return len(text) - narrow + math.ceil(narrow / 4)


def prompt_messages(
    instructions: str | None, talk: Conversation, *, result_tokens: int | None = None
) -> tuple[PromptMessage, ...]:
    """Return what is sent: it grows only at its end, until the summary is another one.

    The results of one step get `result_tokens` together: longer ones are cut in the middle.
    The summary stands at the head of the first message: some services want turns to alternate.
    """
    told = [*_told((*talk.history, *talk.steps), result_tokens)]
    if talk.summary is not None:
        told = _with_summary(talk.summary, told)
    return (*_system(instructions), *told)


def cost_of(talk: Conversation, *, result_tokens: int | None = None) -> int:
    """Return about how many tokens a conversation has."""
    return prompt_cost(prompt_messages(None, talk, result_tokens=result_tokens))


def cut(text: str, tokens: int) -> str:
    """Return a text of at most about so many tokens: what is too much is left out of its middle."""
    has = estimate_tokens(text)
    if has <= tokens:
        return text
    kept = max(2, len(text) * tokens // has)
    head = kept * 2 // 3
    left_out = len(text) - kept
    return f"{text[:head]} [... {left_out} characters left out ...] {text[head - kept :]}"


def given_messages(
    instructions: str | None,
    given: Sequence[PromptMessage],
    talk: Conversation,
    *,
    result_tokens: int | None = None,
) -> tuple[PromptMessage, ...]:
    """Return the system message, a conversation as its client gave it, and what this run added to it.

    What the client says to begin with joins the instructions: many templates take one system message.
    """
    added = [*_told(talk.steps[1:], result_tokens)]
    if talk.summary is not None:
        added = _with_summary(talk.summary, added)
    told = (*_system(instructions), *given)
    head = [*takewhile(lambda message: message.role == "system", told)]
    return (*_joined(head), *told[len(head) :], *added)


def answered(history: Sequence[Message]) -> tuple[Message, ...]:
    """Return the turns in which a model said something."""
    return tuple(
        message
        for turn in turns(history)
        if any(each.role == "assistant" for each in turn)
        for message in turn
    )


def without_images(messages: Iterable[PromptMessage]) -> tuple[PromptMessage, ...]:
    """Return the messages for a model that takes no images: a note stands where one was."""
    return tuple(replace(message, parts=tuple(map(_unseen, message.parts))) for message in messages)


def _unseen(part: Part) -> Part:
    return TextPart(UNSEEN) if isinstance(part, ImagePart) else part


def _named(part: Part) -> Part:
    """Return a file as a note: what it says is found in it, and told as passages."""
    return TextPart(ATTACHED) if isinstance(part, FilePart) else part


def prompt_call(call: ToolCall) -> PromptCall:
    """Return a call as every service takes it: with a name that a function could have, and an object's text."""
    arguments = call.arguments
    if isinstance(arguments, str):
        arguments = {"not_a_json_object": arguments[:1000]}
    return PromptCall(id=call.id, name=_name(call.name), arguments=json_text(arguments))


def _system(instructions: str | None) -> list[PromptMessage]:
    if not instructions:
        return []
    return [PromptMessage(role="system", parts=(TextPart(instructions),))]


def _joined(messages: Sequence[PromptMessage]) -> Sequence[PromptMessage]:
    if len(messages) < 2:
        return messages
    texts = filter(None, (text_of(message.parts) for message in messages))
    return _system("\n\n".join(texts))


def turns(history: Sequence[Message]) -> list[list[Message]]:
    """Return messages by the run that they are of, in their order."""
    return [[*turn] for _, turn in groupby(history, key=lambda message: message.run_id)]


def _with_summary(summary: Message, told: Sequence[PromptMessage]) -> list[PromptMessage]:
    block = TextPart(f"{SUMMARY_HEAD}\n{summary.content}\n{SUMMARY_FOOT}\n\n")
    first, rest = told[:1], told[1:]
    if not first or first[0].role != "user":
        return [PromptMessage(role="user", parts=(block,)), *told]
    return [msgspec.structs.replace(first[0], parts=(block, *first[0].parts)), *rest]


def _told(messages: Iterable[Message], result_tokens: int | None) -> Iterator[PromptMessage]:
    """Tell messages as the protocol wants them: an answer to each call, no empty assistant message."""
    for message in messages:
        if message.role == "assistant" and not message.content and not message.tool_calls:
            continue
        calls = tuple(prompt_call(call) for call in message.tool_calls)
        role = "user" if message.role == "tool" else message.role
        yield PromptMessage(role=role, parts=tuple(map(_named, message.parts)), calls=calls)
        for call in message.tool_calls:
            answer = TextPart(_bounded(result_text(call), message, result_tokens))
            yield PromptMessage(role="tool", parts=(answer,), tool_call_id=call.id)


def _bounded(result: str, message: Message, tokens: int | None) -> str:
    return result if tokens is None else cut(result, max(1, tokens // len(message.tool_calls)))


def _name(name: str) -> str:
    return _NOT_OF_A_NAME.sub("_", name)[:NAME_CHARACTERS] or UNNAMED


def result_text(call: ToolCall) -> str:
    """Return what the model reads of a call: its result as data, or why there is none."""
    if call.state == "done":
        return json_text({"result": call.result})
    if call.is_open:
        return json_text({"error": "cancelled before it ended"})
    return json_text({"error": call.error or call.state})


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def prompt_cost(messages: Iterable[PromptMessage]) -> int:
    """Return about how many tokens messages have, as the model gets them."""
    return sum(
        MESSAGE_TOKENS
        + sum(map(_part_cost, message.parts))
        + sum(estimate_tokens(call.arguments) + MESSAGE_TOKENS for call in message.calls)
        for message in messages
    )


def tools_cost(tools: Iterable[Tool]) -> int:
    """Return about how many tokens the descriptions of tools have."""
    return sum(estimate_tokens(tool.description + json_text(tool.parameters)) for tool in tools)


def _part_cost(part: Part) -> int:
    if isinstance(part, TextPart):
        return estimate_tokens(part.text)
    return IMAGE_TOKENS if isinstance(part, ImagePart) else 0
