"""What the built-in kinds make of a task whose attempts were cut short, or failed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from polyagent.adapters.kinds.tool import ToolTasks
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.ids import new_id
from polyagent.domain.task import TaskWork
from polyagent.domain.tool import CallContext, Effect, Tool, ToolResult


class OneTool:
    """A tool of one effect that answers as it is told; `keys` are what it was called under."""

    def __init__(self, effect: Effect, result: ToolResult) -> None:
        self._tool = Tool(name="act", description="", parameters={}, effect=effect)
        self._result = result
        self.keys: list[tuple[str, int]] = []

    def list(self) -> Sequence[Tool]:
        return [self._tool]

    def get(self, name: str) -> Tool:
        return self._tool

    async def call(
        self, name: str, arguments: Mapping[str, Any], context: CallContext
    ) -> ToolResult:
        self.keys.append((context.idempotency_key, context.attempt))
        return self._result


class Nobody:
    cancel_asked = False
    is_over = False

    async def progress(self, progress: Any) -> None: ...


def work(*, attempt: int = 2, cut_short: bool) -> TaskWork:
    return TaskWork(
        id=new_id(),
        kind="tool",
        payload={"name": "act"},
        attempt=attempt,
        max_attempts=3,
        timeout_s=1,
        workspace_id=new_id(),
        user_id=new_id(),
        cut_short=cut_short,
    )


DONE = ToolResult(state="done", result=7)


@pytest.mark.parametrize("effect", ["read", "write"])
async def test_a_call_that_was_cut_short_is_made_again_under_its_key(effect: Effect) -> None:
    tool = OneTool(effect, DONE)
    task = work(cut_short=True)

    assert await ToolTasks(tool)(task, Nobody()) == 7
    assert tool.keys == [(str(task.id), 2)]


async def test_a_once_call_that_was_cut_short_is_never_made_again() -> None:
    tool = OneTool("once", DONE)

    with pytest.raises(PolyAgentError) as raised:
        await ToolTasks(tool)(work(cut_short=True), Nobody())

    assert (raised.value.code, raised.value.retryable) == ("in_doubt", False)
    assert tool.keys == []


async def test_a_once_call_that_was_not_is_made() -> None:
    assert await ToolTasks(OneTool("once", DONE))(work(cut_short=False), Nobody()) == 7


@pytest.mark.parametrize(
    ("state", "code", "retryable"),
    [
        ("failed", "task_failed", True),
        ("in_doubt", "in_doubt", False),
        ("denied", "task_given_up", False),
    ],
)
async def test_what_a_tool_says_decides_whether_it_is_called_again(
    state: Any, code: str, retryable: bool
) -> None:
    tool = OneTool("once", ToolResult(state=state, error="No."))

    with pytest.raises(PolyAgentError, match="No") as raised:
        await ToolTasks(tool)(work(cut_short=False), Nobody())

    assert (raised.value.code, raised.value.retryable) == (code, retryable)
