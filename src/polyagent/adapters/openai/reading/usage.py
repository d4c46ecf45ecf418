"""Tokens spent, as services tell it and as we guess it."""

import math
from collections.abc import Iterable
from typing import Any

from polyagent.domain.chat import text_of
from polyagent.domain.context import estimate_tokens
from polyagent.domain.model import Prompt
from polyagent.domain.usage import Usage


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
        return Usage(
            input_tokens=given,
            cached_input_tokens=spent.get("cached", 0),
            output_tokens=made,
            reasoning_tokens=spent.get("reasoning", 0),
            total_tokens=max(spent.get("total", 0), given + made),
        )


def estimated(prompt: Prompt, said: Iterable[str]) -> Usage:
    given = sum(
        estimate_tokens(text_of(message.parts))
        + sum(estimate_tokens(call.arguments) for call in message.calls)
        for message in prompt.messages
    )
    made = estimate_tokens("".join(said))
    return Usage(input_tokens=given, output_tokens=made, total_tokens=given + made, estimated=True)


def _fields(told: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    yield "input", told.get("prompt_tokens")
    yield "output", told.get("completion_tokens")
    yield "total", told.get("total_tokens")
    yield "cached", told.get("prompt_cache_hit_tokens")
    yield "cached", _detail(told, "prompt_tokens_details", "cached_tokens")
    yield "reasoning", _detail(told, "completion_tokens_details", "reasoning_tokens")


def _detail(told: dict[str, Any], group: str, field: str) -> Any:
    details = told.get(group)
    return details.get(field) if isinstance(details, dict) else None
