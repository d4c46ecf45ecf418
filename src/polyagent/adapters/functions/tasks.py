"""A plain Python function as a kind of tasks: its name and its type hints say it all."""

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from polyagent.adapters.functions.contexts import TaskContext
from polyagent.adapters.functions.function import Arguments
from polyagent.adapters.functions.plain import arguments_of, parameters_of, unpacking
from polyagent.adapters.functions.threads import Threads
from polyagent.domain.account import Actor
from polyagent.domain.misfit import misfit
from polyagent.domain.task import TaskWork
from polyagent.ports.kinds import TaskControl


class FunctionTasks:
    """The port Kind over a function. One that is no coroutine function runs in a thread."""

    def __init__(
        self,
        call: Callable[..., Any],
        *,
        name: str | None,
        max_attempts: int | None,
        timeout_s: float | None,
    ) -> None:
        """Raises `TypeError`, a sentence for who wrote the function."""
        self.name = name or call.__name__
        self.max_attempts = max_attempts
        self.timeout_s = timeout_s
        parameters = [*parameters_of(f"the task {self.name}", call)]
        self._arguments = arguments_of(self.name, parameters)
        self._call = unpacking(call, [each.name for each in parameters if each.is_context])
        self._in_thread = not inspect.iscoroutinefunction(call)
        self._threads: Threads | None = None

    def check(self, actor: Actor, payload: dict[str, Any]) -> None:
        actor.require("tasks:write")
        self._given(payload)

    def _given(self, payload: dict[str, Any]) -> Arguments:
        try:
            return msgspec.convert(payload, self._arguments)
        except msgspec.ValidationError as error:
            raise misfit(error) from error

    async def __call__(self, work: TaskWork, control: TaskControl) -> Any:
        call = partial(self._call, self._given(work.payload), _context(work, control))
        if not self._in_thread:
            return await call()
        self._threads = self._threads or Threads()
        result = await self._threads(call)
        return await result if inspect.isawaitable(result) else result


def _context(work: TaskWork, control: TaskControl) -> TaskContext:
    loop = asyncio.get_running_loop()
    telling: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks but weakly

    def begin(progress: Any) -> None:
        task = loop.create_task(control.progress(progress))
        telling.add(task)
        task.add_done_callback(telling.discard)

    return TaskContext(
        workspace_id=work.workspace_id,
        user_id=work.user_id,
        run_id=None,
        idempotency_key=str(work.id),
        attempt=work.attempt,
        task_id=work.id,
        max_attempts=work.max_attempts,
        end_user=work.end_user,
        tell=lambda progress: loop.call_soon_threadsafe(begin, progress),
    )
