"""What came of attempts, recorded in batches."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import structlog
from msgspec.structs import replace

from polyagent.adapters.worker.loops import waited
from polyagent.domain.errors import PolyAgentError, Unavailable
from polyagent.domain.task import Ended, TaskError
from polyagent.ports.tasks import TaskJournal

AGAIN_S = 0.5
UNRECORDED = TaskError(code="result_unstorable", detail="Its result cannot be stored.")

log = structlog.get_logger("polyagent.tasks")


class Endings:
    """One batch is on its way at a time; what ended meanwhile is the next."""

    def __init__(self, journal: TaskJournal) -> None:
        self._journal = journal
        self._waiting: list[Ended] = []
        self._sending: Sequence[Ended] = ()
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sending)

    @property
    def ids(self) -> set[UUID]:
        """Which tasks are over here, but not for others."""
        return {end.id for ends in (self._waiting, self._sending) for end in ends}

    def add(self, ended: Ended) -> None:
        self._waiting.append(ended)
        self._some.set()
        self._none.clear()

    async def record(self) -> None:
        """Record what has ended, once something has. Cancelling it loses nothing."""
        await self._some.wait()
        self._some.clear()
        self._sending, self._waiting = self._waiting, []
        try:
            await self._finish(self._sending)
        except BaseException:
            self._waiting = [*self._sending, *self._waiting]
            self._some.set()
            raise
        finally:
            self._sending = ()
        if not self._waiting:
            self._none.set()

    async def all_recorded(self, within_s: float) -> None:
        await waited(self._none, within_s)

    async def _finish(self, ended: Sequence[Ended]) -> None:
        try:
            await self._journal.finish(ended)
        except Unavailable:
            raise
        except PolyAgentError:
            for end in ended:
                await self._finish_one(end)

    async def _finish_one(self, end: Ended) -> None:
        try:
            await self._journal.finish([end])
        except Unavailable:
            raise
        except PolyAgentError as error:
            log.warning("task.unstorable", task_id=str(end.id), error=error.detail)
            with suppress(PolyAgentError):
                dead = replace(end, status="dead", result=None, error=UNRECORDED)
                await self._journal.finish([dead])
