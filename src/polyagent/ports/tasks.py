"""Tasks as the workers see them. The rows are the truth; every write is guarded by the attempt's number.

What becomes claimable in here is offered to the queue, at the head of its lane: it had its turn.
"""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from polyagent.domain.queue import Entry
from polyagent.domain.task import Ended, TaskWork


class TaskJournal(Protocol):
    """Each method may raise `StoreUnavailable`: it may have been done all the same."""

    async def claim(
        self, worker_id: UUID, ids: Sequence[UUID], kinds: Sequence[str]
    ) -> tuple[Sequence[TaskWork], Sequence[Entry]]:
        """Begin attempts at those of the tasks that are due and of these kinds, and return them in order.

        The queue may name one twice: it is begun once.

        Those over a cap are parked until another ends. Beside them the places of those that are due but
        of other kinds: they are to wait for another process. The rest is gone: somebody was faster.
        """

    async def claim_oldest(
        self, worker_id: UUID, limit: int, kinds: Sequence[str]
    ) -> Sequence[TaskWork]:
        """As `claim`, of the oldest that are due: for when the queue is away."""

    async def finish(self, ended: Sequence[Ended]) -> None:
        """Record how attempts ended; of one that was fenced nothing. May be called again with the same.

        A task that is to be tried again, though its cancelling was asked for, is cancelled.
        """

    async def progress(self, task_id: UUID, attempt: int, progress: Any) -> None:
        """Record how far an attempt is. Of one that was fenced: nothing."""

    async def take_over(self, worker_id: UUID) -> int:
        """Queue again what dead workers had begun, or give it up (`task_poisoned`); return how many.

        Also release parked tasks that have room by now.
        """
