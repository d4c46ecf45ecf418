"""What a model is told: the newest turns that fit its window, every call with its result."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from polyagent.domain.chat import ImagePart, Message, Part, TextPart
from polyagent.domain.model import PromptCall, PromptMessage
from polyagent.domain.tool import ToolCall

IMAGE_TOKENS = 1000
MESSAGE_TOKENS = 6

# A model makes names up, and services refuse a history with one that no function could have.
# https://platform.openai.com/docs/api-reference/chat/create
_NOT_OF_A_NAME = re.compile("[^A-Za-z0-9_-]")
NAME_CHARACTERS = 64
UNNAMED = "unnamed"

_WIDE = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\U0001f000-\U0003ffff]")


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has: a wide character (CJK, emoji) each, else four characters."""
    wide = len(_WIDE.findall(text))
    return wide + math.ceil((len(text) - wide) / 4)


def prompt_messages(
    instructions: str | None,
    history: Sequence[Message],
    steps: Sequence[Message],
    *,
    budget_tokens: int,
) -> tuple[PromptMessage, ...]:
    """Return the system message, the newest whole turns of `history` that fit, and this run's `steps`."""
    system = _system(instructions)
    current = [*_told(steps)]
    left = budget_tokens - _cost(system) - _cost(current)
    turns: list[list[PromptMessage]] = []
    for said in reversed(_turns(history)):
        turn = [*_told(said)]
        left -= _cost(turn)
        if left < 0:
            break
        turns.append(turn)
    past = [message for turn in reversed(turns) for message in turn]
    return (*system, *past, *current)


def answered(history: Sequence[Message]) -> tuple[Message, ...]:
    """Return the turns in which a model said something."""
    return tuple(
        message
        for turn in _turns(history)
        if any(each.role == "assistant" for each in turn)
        for message in turn
    )


def _system(instructions: str | None) -> list[PromptMessage]:
    if not instructions:
        return []
    return [PromptMessage(role="system", parts=(TextPart(instructions),))]


def _turns(history: Sequence[Message]) -> list[list[Message]]:
    return [[*turn] for _, turn in groupby(history, key=lambda message: message.run_id)]


def _told(messages: Iterable[Message]) -> Iterator[PromptMessage]:
    """Tell messages as the protocol wants them: an answer to each call, no empty assistant message."""
    for message in messages:
        if message.role == "assistant" and not message.content and not message.tool_calls:
            continue
        calls = tuple(_prompt_call(call) for call in message.tool_calls)
        role = "user" if message.role == "tool" else message.role
        yield PromptMessage(role=role, parts=message.parts, calls=calls)
        for call in message.tool_calls:
            answer = TextPart(_result(call))
            yield PromptMessage(role="tool", parts=(answer,), tool_call_id=call.id)


def _prompt_call(call: ToolCall) -> PromptCall:
    arguments = call.arguments
    if isinstance(arguments, str):
        arguments = {"not_a_json_object": arguments[:1000]}
    return PromptCall(id=call.id, name=_name(call.name), arguments=_json(arguments))


def _name(name: str) -> str:
    return _NOT_OF_A_NAME.sub("_", name)[:NAME_CHARACTERS] or UNNAMED


def _result(call: ToolCall) -> str:
    """Return what the model reads of a call: its result as data, or why there is none."""
    if call.state == "done":
        return _json({"result": call.result})
    if call.is_open:
        return _json({"error": "cancelled before it ended"})
    return _json({"error": call.error or call.state})


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _cost(messages: Sequence[PromptMessage]) -> int:
    return sum(
        MESSAGE_TOKENS
        + sum(map(_part_cost, message.parts))
        + sum(estimate_tokens(call.arguments) + MESSAGE_TOKENS for call in message.calls)
        for message in messages
    )


def _part_cost(part: Part) -> int:
    if isinstance(part, TextPart):
        return estimate_tokens(part.text)
    return IMAGE_TOKENS if isinstance(part, ImagePart) else 0
