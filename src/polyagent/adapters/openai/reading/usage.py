"""Tokens spent, as services tell it and as we guess it."""

from collections.abc import Iterable
from typing import Any

from polyagent.domain.chat import text_of
from polyagent.domain.context import estimate_tokens
from polyagent.domain.model import Prompt
from polyagent.domain.usage import Usage

# The names of OpenAI's two protocols, and those that others have beside them: a bare `cached_tokens` is
# Moonshot's, `prompt_cache_hit_tokens` DeepSeek's, `cache_read_input_tokens` what gateways hand on of Anthropic.
_FIELDS = {
    "prompt_tokens": "input",
    "input_tokens": "input",
    "completion_tokens": "output",
    "output_tokens": "output",
    "total_tokens": "total",
    "cached_tokens": "cached",
    "prompt_cache_hit_tokens": "cached",
    "cache_read_input_tokens": "cached",
    "reasoning_tokens": "reasoning",
}


MOST_TOKENS = 1_000_000_000
"""Of one call: what is said beyond it is nonsense, and counts as not said."""


class Totals:
    """The newest valid value of each field: what a service repeats is a running total, never a summand."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def add(self, told: Any) -> None:
        if not isinstance(told, dict):
            return
        for field, value in _fields(told):
            if isinstance(value, int | float) and 0 <= value <= MOST_TOKENS:
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


def _fields(told: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in told.items():
        if field := _FIELDS.get(name):
            yield field, value
        elif name.endswith("_details") and isinstance(value, dict):
            yield "cached", value.get("cached_tokens")
            yield "reasoning", value.get("reasoning_tokens")
