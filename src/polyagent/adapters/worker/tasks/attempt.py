"""One attempt at a task, as an asyncio task that a timer watches over."""

import asyncio
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Literal

import msgspec
import structlog

from polyagent.adapters.worker.tracing import task_span
from polyagent.domain.errors import PolyAgentError, TaskFailed, TaskGivenUp
from polyagent.domain.task import Ended, TaskError, TaskWork, handed_back
from polyagent.domain.text import clean_json
from polyagent.ports.kinds import Kind
from polyagent.ports.tasks import TaskJournal

GRACE_S = 5.0
MAX_RESULT_BYTES = 1_048_576
MAX_DETAIL = 1000

Why = Literal["timeout", "cancelled", "stopping", "fenced"]
RetryDelay = Callable[[TaskWork, BaseException], float]

log = structlog.get_logger("polyagent.tasks")


class Attempt:
    """Implements `ports.kinds.TaskControl`. `ends` is called once, with None if others have the task by now.

    What ignores that it is cancelled is left alone after `GRACE_S`, and counts as having ended.
    """

    def __init__(
        self,
        work: TaskWork,
        kind: Kind,
        journal: TaskJournal,
        *,
        retry_delay_s: RetryDelay,
        ends: Callable[["Attempt", Ended | None], None],
    ) -> None:
        self.work = work
        self.doubts = 0
        self._kind = kind
        self._journal = journal
        self._retry_delay_s = retry_delay_s
        self._ends = ends
        self._why: Why | None = None
        self._has_ended = False
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._result(), name=f"task {work.kind} {work.id}")
        self._timer = loop.call_later(work.timeout_s, self._expire)
        self._task.add_done_callback(self._done)

    @property
    def cancel_asked(self) -> bool:
        return self._why == "cancelled"

    @property
    def is_over(self) -> bool:
        return self.cancel_asked or (self._why == "timeout" and self.work.is_last)

    async def progress(self, progress: Any) -> None:
        with suppress(PolyAgentError, TypeError, ValueError, RecursionError):
            plain = clean_json(msgspec.to_builtins(progress))
            await self._journal.progress(self.work.id, self.work.attempt, plain)

    def stop(self, why: Why) -> None:
        """Cancel it; the first reason counts."""
        if self._why is None and not self._has_ended:
            self._why = why
            self._timer.cancel()
            self._timer = self._task.get_loop().call_later(GRACE_S, self._abandon)
            self._task.cancel()

    async def _result(self) -> Any:
        with task_span(self.work):
            try:
                return _plain(await self._kind(self.work, self))
            except (SystemExit, KeyboardInterrupt) as error:
                raise TaskFailed(f"It raised {type(error).__name__}.") from error

    def _expire(self) -> None:
        log.warning("task.timed_out", **self._named(), stack=self._stack())
        self.stop("timeout")

    def _abandon(self) -> None:
        log.error("task.stuck", **self._named(), stack=self._stack())
        self._end(self._stopped())

    def _done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self._end(self._stopped())
        elif (error := task.exception()) is not None:
            self._end(self._failed(error))
        else:
            self._end(self.work.succeeded(task.result()))

    def _end(self, ended: Ended | None) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._timer.cancel()
            self._ends(self, None if self._why == "fenced" else ended)

    def _stopped(self) -> Ended | None:
        """Return what follows from having been cancelled."""
        match self._why:
            case "fenced":
                return None
            case "cancelled":
                return self.work.cancelled()
            case "stopping":
                return handed_back(self.work.id, self.work.attempt, cut_short=True)
            case "timeout":
                detail = f"It took longer than {self.work.timeout_s:g} s."
                error = TaskError(code="task_timed_out", detail=detail, retryable=True)
                delay_s = self._retry_delay_s(self.work, TimeoutError())
                return self.work.failed(error, delay_s=delay_s, cut_short=True)
            case None:
                return self._failed(TaskFailed("It cancelled itself."))

    def _failed(self, error: BaseException) -> Ended:
        if self.cancel_asked:
            return self.work.cancelled()
        if self._why == "stopping":
            return handed_back(self.work.id, self.work.attempt, cut_short=True)
        told = _told(error)
        if not isinstance(error, PolyAgentError):
            log.warning("task.failed", **self._named(), exc_info=error)
        return self.work.failed(told, delay_s=self._retry_delay_s(self.work, error))

    def _named(self) -> dict[str, Any]:
        work = self.work
        return {"task_id": str(work.id), "kind": work.kind, "attempt": work.attempt}

    def _stack(self) -> str:
        """Return where it waits, through all that it awaits; asyncio tells only of the outermost."""
        frames: list[tuple[FrameType, int]] = []
        coroutine: Any = self._task.get_coro()
        while (frame := getattr(coroutine, "cr_frame", None)) is not None:
            frames.append((frame, frame.f_lineno))
            coroutine = coroutine.cr_await
        return "".join(traceback.StackSummary.extract(iter(frames)).format())


def _plain(result: Any) -> Any:
    """Return a result as plain JSON that PostgreSQL can store. Raises `TaskGivenUp`."""
    if result is None:
        return None
    try:
        text = msgspec.json.encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskGivenUp(f"JSON cannot say its result: {error}") from error
    if len(text) > MAX_RESULT_BYTES:
        raise TaskGivenUp(f"Its result is larger than {MAX_RESULT_BYTES} bytes.")
    return clean_json(msgspec.json.decode(text))


def _told(error: BaseException) -> TaskError:
    """Return what clients learn of a failure: of an exception of somebody's own code only its name."""
    if isinstance(error, PolyAgentError):
        detail = error.detail[:MAX_DETAIL]
        return TaskError(code=error.code, detail=detail, retryable=error.retryable)
    detail = f"It raised {type(error).__name__}: the server's log has the rest."
    return TaskError(code=TaskFailed.code, detail=detail, retryable=True)
