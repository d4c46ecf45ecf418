"""Tasks of the kind `tool`: one call, under the task's own idempotency key."""

from typing import Any

from polyagent.adapters.kinds.payload import payload_of
from polyagent.domain.account import Actor
from polyagent.domain.errors import (
    Fault,
    TaskFailed,
    TaskGivenUp,
    TaskInDoubt,
    ToolUnknown,
)
from polyagent.domain.task import TaskWork
from polyagent.domain.tool import CallContext, ExecuteTool, ToolResult
from polyagent.ports.kinds import TaskControl
from polyagent.ports.tools import Tools
from polyagent.usecases.checks import require_tool_scope


class ToolTasks:
    """The payload is the body of POST /tools/execute. What must happen once is not begun again."""

    name = "tool"
    max_attempts: int | None = None
    timeout_s: float | None = None

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def check(self, actor: Actor, payload: dict[str, Any]) -> None:
        actor.require("tools:execute")
        ask = payload_of(payload, ExecuteTool)
        require_tool_scope(actor, ask.name)
        try:
            self._tools.get(ask.name)
        except ToolUnknown as error:
            raise ToolUnknown(error.detail, faults=(Fault("#/name", error.detail),)) from error

    async def __call__(self, work: TaskWork, control: TaskControl) -> Any:
        ask = payload_of(work.payload, ExecuteTool)
        if work.cut_short and self._tools.get(ask.name).effect == "once":
            raise TaskInDoubt("An attempt was cut short: nobody knows what came of the call.")
        context = CallContext(
            workspace_id=work.workspace_id,
            user_id=work.user_id,
            run_id=None,
            idempotency_key=str(work.id),
            attempt=work.attempt,
        )
        return _told(await self._tools.call(ask.name, ask.arguments, context))


def _told(result: ToolResult) -> Any:
    detail = result.error or "The tool does not say why."
    match result.state:
        case "done":
            return result.result
        case "in_doubt":
            raise TaskInDoubt(detail)
        case "failed":
            raise TaskFailed(detail)
        case "denied" | "cancelled":
            raise TaskGivenUp(detail)
