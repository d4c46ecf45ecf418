"""Tokens spent, as services tell it and as we guess it."""

import math
from collections.abc import Iterable
from typing import Any

from polyagent.domain.chat import text_of
from polyagent.domain.context import estimate_tokens
from polyagent.domain.model import Prompt
from polyagent.domain.usage import Usage
from polyagent.settings import Price


class Totals:
    """The newest valid value of each field: what a service repeats is a running total, never a summand."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def add(self, told: Any) -> None:
        if not isinstance(told, dict):
            return
        for field, value in _fields(told):
            if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
                self._newest[field] = int(value)

    def usage(self) -> Usage | None:
        """Return what was told, None if that was nothing."""
        spent = self._newest
        given, made = spent.get("input", 0), spent.get("output", 0)
        if not given + made:
            return None
        total, thought = spent.get("total", 0), spent.get("reasoning", 0)
        if thought and total == given + made + thought:  # xAI and Gemini count thoughts beside it
            made += thought
        return Usage(
            input_tokens=given,
            cached_input_tokens=min(spent.get("cached", 0), given),
            output_tokens=made,
            reasoning_tokens=thought,
            total_tokens=max(total, given + made),
        )


def estimated(prompt: Prompt, said: Iterable[str]) -> Usage:
    given = sum(
        estimate_tokens(text_of(message.parts))
        + sum(estimate_tokens(call.arguments) for call in message.calls)
        for message in prompt.messages
    )
    made = estimate_tokens("".join(said))
    return Usage(input_tokens=given, output_tokens=made, total_tokens=given + made, estimated=True)


def cost(usage: Usage, price: Price) -> float:
    """Return what it costs, in the currency of the price."""
    cached_price = price.input if price.cached_input is None else price.cached_input
    cached = usage.cached_input_tokens
    millionths = (
        (usage.input_tokens - cached) * price.input
        + cached * cached_price
        + usage.output_tokens * price.output
    )
    return millionths / 1_000_000


def _fields(told: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Read the names of OpenAI's two protocols, and those that others have beside them.

    `prompt_cache_hit_tokens` is DeepSeek's, a bare `cached_tokens` Moonshot's and
    `cache_read_input_tokens` what gateways hand on from Anthropic.
    """
    yield "input", told.get("input_tokens")
    yield "input", told.get("prompt_tokens")
    yield "output", told.get("output_tokens")
    yield "output", told.get("completion_tokens")
    yield "total", told.get("total_tokens")
    for name in ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens"):
        yield "cached", told.get(name)
    yield "reasoning", told.get("reasoning_tokens")
    for group in ("input_tokens_details", "prompt_tokens_details"):
        yield "cached", _detail(told, group, "cached_tokens")
    for group in ("output_tokens_details", "completion_tokens_details"):
        yield "reasoning", _detail(told, group, "reasoning_tokens")


def _detail(told: dict[str, Any], group: str, field: str) -> Any:
    details = told.get(group)
    return details.get(field) if isinstance(details, dict) else None
