"""What the shims lend to an engine that has it not, so that what fails is the engine's own.

Results, progress, the history of attempts, timeouts, and who a task is for.
"""

import asyncio
from collections import defaultdict
from typing import Any
from uuid import UUID

import msgspec
from tests.contract.engine import Asked, Handler, Seen

from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.errors import PolyAgentError, TaskFailed
from polyagent.domain.task import TaskWork

AGAIN_S = 0.02


class Unsupported(Exception):
    """The engine has nothing of the kind."""


class Failed(Exception):
    """An attempt failed. `delay_s` None: no other is to follow."""

    def __init__(self, delay_s: float | None) -> None:
        super().__init__()
        self.delay_s = delay_s


class Past(msgspec.Struct):
    """What a task went through. `attempts` are the codes of their errors; an open one has "open"."""

    attempts: list[str | None] = msgspec.field(default_factory=list)
    spared: int = 0
    result: Any = None
    progress: Any = None


class Control:
    def __init__(self, past: Past) -> None:
        self._past = past
        self.cancel_asked = False
        self.is_over = False

    async def progress(self, progress: Any) -> None:
        self._past.progress = progress


class Lent:
    def __init__(self) -> None:
        self._past: defaultdict[UUID, Past] = defaultdict(Past)

    def control(self, task_id: UUID) -> Control:
        return Control(self._past[task_id])

    async def does(self, task_id: UUID, asked: Asked, handler: Handler, control: Control) -> Any:
        """Make an attempt. Raises `Failed`."""
        past = self._past[task_id]
        past.attempts = ["worker_lost" if each == "open" else each for each in past.attempts]
        past.attempts.append("open")
        try:
            async with asyncio.timeout(asked.timeout_s):
                past.result = await handler(_work(task_id, asked, past), control)
            msgspec.json.encode(past.result)
        except Exception as error:  # whatever a handler raises
            past.attempts[-1], delay_s = _told(error)
            is_last = len(past.attempts) - past.spared >= asked.max_attempts
            raise Failed(None if is_last else delay_s) from error
        except asyncio.CancelledError:
            if control.cancel_asked:
                past.attempts[-1] = "cancelled"
            raise
        past.attempts[-1] = None
        return past.result

    def spare(self, task_id: UUID) -> None:
        self._past[task_id].spared = len(self._past[task_id].attempts)

    def seen(self, task_id: UUID, status: str) -> Seen:
        past = self._past[task_id]
        attempts = [None if each == "open" else each for each in past.attempts]
        error = attempts[-1] if status == "dead" and attempts else None
        return Seen(
            status=status,
            attempts=attempts,
            result=past.result if status == "succeeded" else None,
            error="cancelled" if status == "cancelled" else error,
            progress=past.progress,
        )


def _told(error: Exception) -> tuple[str, float | None]:
    if isinstance(error, TimeoutError):
        return "task_timed_out", AGAIN_S
    if isinstance(error, TypeError):
        return "task_given_up", None
    if isinstance(error, PolyAgentError):
        delay_s = getattr(error, "retry_after_s", None) or AGAIN_S
        return error.code, delay_s if error.retryable else None
    return TaskFailed.code, AGAIN_S


def _work(task_id: UUID, asked: Asked, past: Past) -> TaskWork:
    user_id = UUID(int=asked.who)
    return TaskWork(
        id=task_id,
        kind=asked.kind,
        payload=asked.payload,
        attempt=len(past.attempts),
        spared=past.spared,
        max_attempts=asked.max_attempts,
        timeout_s=asked.timeout_s,
        workspace_id=DEFAULT_WORKSPACE,
        user_id=user_id,
        actor=Actor(user_id, DEFAULT_WORKSPACE, "member"),
    )
