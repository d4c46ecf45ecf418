"""What the contract of the task engine says and asks: ours, and in bench/ that of others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

import msgspec

from polyagent.domain.task import TaskWork
from polyagent.ports.kinds import TaskControl

Handler = Callable[[TaskWork, TaskControl], Awaitable[Any]]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A task to be enqueued. `who` is a number of a user."""

    kind: str = "note"
    payload: dict[str, Any] = msgspec.field(default_factory=dict)
    who: int = 0
    priority: int = 5
    delay_s: float = 0.0
    max_attempts: int = 3
    timeout_s: float = 60.0
    unique_key: str | None = None
    end_user: str | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stands."""

    status: str
    attempts: Sequence[str | None]
    """The code of each attempt's error; None: it has none."""
    result: Any = None
    error: str | None = None
    progress: Any = None


class Worker(Protocol):
    async def dies(self) -> None:
        """End at once, as by kill -9: what it has begun it neither ends nor hands back."""

    async def drains(self) -> None:
        """End in good order."""


class Engine(Protocol):
    async def enqueue(self, *asked: Asked, commits: bool = True) -> Sequence[UUID]:
        """Enqueue in one transaction, which commits or is rolled back."""

    def worker(
        self, handlers: Mapping[str, Handler], *, slots: int = 4, **settings: Any
    ) -> AbstractAsyncContextManager[Worker]: ...

    async def forget_order(self) -> None:
        """Lose what Redis knows, as FLUSHALL does."""

    async def see(self, task_id: UUID) -> Seen: ...

    async def cancel(self, task_id: UUID) -> None: ...

    async def retry(self, task_id: UUID) -> None: ...

    async def suspend(self, who: int) -> None:
        """Take a user's rights away."""
