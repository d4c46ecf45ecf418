from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from polyagent.domain.tool import CallContext, Tool, ToolResult


class Tools(Protocol):
    def list(self) -> Sequence[Tool]:
        """Return every tool, by name."""

    def get(self, name: str) -> Tool:
        """Raises `ToolUnknown`."""

    async def call(
        self, name: str, arguments: Mapping[str, Any], context: CallContext
    ) -> ToolResult:
        """Run the tool. Whatever it or its arguments get wrong is a `failed` result, written for the model.

        `in_doubt` is one whose effect is `once` that was given up in the middle: it may still happen.
        The result is JSON that PostgreSQL can store: finite numbers, no NUL, bounded in size and depth.
        Raises `ToolUnknown`.
        """
