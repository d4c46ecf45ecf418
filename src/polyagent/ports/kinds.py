"""What kinds of tasks there are, and what it means to do one."""

from collections.abc import Sequence
from typing import Any, Protocol

from polyagent.domain.account import Actor
from polyagent.domain.task import TaskWork


class TaskControl(Protocol):
    """What an attempt may know and tell of itself."""

    @property
    def cancel_asked(self) -> bool:
        """Whether it was cancelled because somebody asked for that."""

    @property
    def is_over(self) -> bool:
        """Whether it was cancelled and no other attempt follows: asked for, or too long at the last one."""

    async def progress(self, progress: Any) -> None:
        """Show how far it is: whatever JSON can say. Best effort: it never raises."""


class Kind(Protocol):
    """A kind of tasks. `max_attempts` and `timeout_s` are what its tasks get that do not say; None: the server's."""

    @property
    def name(self) -> str: ...

    @property
    def max_attempts(self) -> int | None: ...

    @property
    def timeout_s(self) -> float | None: ...

    def check(self, actor: Actor, payload: dict[str, Any]) -> None:
        """Raise what is wrong with a payload before it is enqueued, or that the actor may not do this.

        Faults point into the payload: `#/name`.
        """

    async def __call__(self, work: TaskWork, control: TaskControl) -> Any:
        """Do it, for `work.actor`, and return the result: what JSON can say.

        The same task may be begun again after a failure: what must not happen twice has the task's id to
        tell it by. Raises errors whose `retryable` says whether another attempt makes sense, and any
        exception else, which does. It is cancelled at its timeout, when somebody cancels the task, and
        when the process stops.
        """


class Kinds(Protocol):
    def names(self) -> Sequence[str]: ...

    def get(self, name: str) -> Kind:
        """Raises `KindUnknown`."""
