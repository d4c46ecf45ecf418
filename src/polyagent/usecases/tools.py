"""Tools that are there, and one call by hand."""

from collections.abc import Sequence

from polyagent.domain.account import Actor
from polyagent.domain.ids import new_id
from polyagent.domain.tool import CallContext, Executed, ExecuteTool, Tool
from polyagent.ports.clock import Clock
from polyagent.ports.tools import Tools
from polyagent.usecases.checks import require_tool_scope


class UseTools:
    def __init__(self, tools: Tools, clock: Clock) -> None:
        self._tools = tools
        self._clock = clock

    def list(self, actor: Actor) -> Sequence[Tool]:
        actor.require("agents:read")
        return self._tools.list()

    def get(self, actor: Actor, name: str) -> Tool:
        """Raises `ToolUnknown`."""
        actor.require("agents:read")
        return self._tools.get(name)

    async def execute(self, actor: Actor, ask: ExecuteTool) -> Executed:
        """Call a tool outside any run. Raises `ToolUnknown`; all else that fails is in the answer."""
        actor.require("tools:execute")
        require_tool_scope(actor, ask.name)
        context = CallContext(
            workspace_id=actor.workspace_id,
            user_id=actor.user_id,
            run_id=None,
            idempotency_key=str(new_id()),
        )
        began = self._clock.monotonic()
        result = await self._tools.call(ask.name, ask.arguments, context)
        duration_ms = round((self._clock.monotonic() - began) * 1000, 3)
        return Executed(
            state="done" if result.state == "done" else "failed",
            result=result.result,
            error=result.error,
            duration_ms=duration_ms,
        )
