"""How these tests call a model service."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from polyagent.adapters.openai.address import Address
from polyagent.adapters.openai.client import OpenAIModels
from polyagent.adapters.openai.service import Service
from polyagent.domain.chat import TextPart
from polyagent.domain.model import (
    CallDelta,
    Finished,
    ModelDelta,
    Prompt,
    PromptMessage,
    TextDelta,
    ThoughtDelta,
)
from polyagent.domain.tool import Tool
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.settings import Ai

TOOL = Tool(name="look", description="Looks.", parameters={"type": "object", "properties": {}})
DONE = "data: [DONE]"


class HastyClock:
    """Sleeps at once and remembers how long; time passes only by sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@asynccontextmanager
async def caller(
    url: str, clock: HastyClock | None = None, **settings: Any
) -> AsyncIterator[OpenAIModels]:
    async with callers(Ai(**{"url": url, "model": "scripted", **settings}), clock) as models:
        yield models


@asynccontextmanager
async def callers(ai: Ai, clock: Clock | None = None) -> AsyncIterator[OpenAIModels]:
    clock = clock or HastyClock()
    services = [Service(each, Address.parse(each.url or ""), clock) for each in ai.each()]
    try:
        yield OpenAIModels(services)
    finally:
        for service in services:
            await service.aclose()


def ask(script: str, **fields: Any) -> Prompt:
    message = PromptMessage(role="user", parts=(TextPart(script),))
    return msgspec.structs.replace(Prompt(messages=(message,)), **fields)


def stub(*lines: str) -> Prompt:
    return ask(f"stub {json.dumps(lines)}")


def d(delta: Any, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return "data: " + json.dumps({"choices": [choice]})


def fin(reason: str) -> str:
    return d({}, reason)


def usage(**fields: Any) -> str:
    return "data: " + json.dumps({"choices": [], "usage": fields})


def tc(index: int | None, wire_id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """Return an entry of `tool_calls`; None leaves the field out."""
    function = {"name": name, "arguments": arguments}
    entry = {"index": index, "id": wire_id, "function": _given(function)}
    return _given(entry)


def calls(*entries: dict[str, Any]) -> list[str]:
    """Return one delta for each entry, as services send them."""
    return [d({"tool_calls": [entry]}) for entry in entries]


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


async def answer(models: Models, prompt: Prompt) -> list[ModelDelta]:
    return [delta async for delta in models.stream(prompt)]


def text_of(deltas: list[ModelDelta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def thought_of(deltas: list[ModelDelta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, ThoughtDelta))


def calls_of(deltas: list[ModelDelta]) -> list[tuple[str, str]]:
    """Return name and arguments of each call, in order; each has one name, with its first piece."""
    calls: dict[int, tuple[str, str]] = {}
    for delta in deltas:
        if not isinstance(delta, CallDelta):
            continue
        assert (delta.name is None) == (delta.index in calls)
        name, arguments = calls.get(delta.index, (delta.name or "", ""))
        calls[delta.index] = (name, arguments + delta.text)
    assert sorted(calls) == list(range(len(calls)))
    return [calls[index] for index in sorted(calls)]


def end_of(deltas: list[ModelDelta]) -> Finished:
    ends = [delta for delta in deltas if isinstance(delta, Finished)]
    assert ends == deltas[-1:]
    return ends[0]
