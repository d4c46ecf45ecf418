from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from polyagent.domain.run import Work


class Control(Protocol):
    """What an execution must know of the process that it runs in."""

    @property
    def cancel_asked(self) -> bool:
        """Whether its task was cancelled because somebody asked for the run to be cancelled."""

    @property
    def draining(self) -> bool:
        """Whether the run should be handed over after the step at hand."""

    def holds_lease(self) -> bool:
        """Whether this process's lease is still good, by the monotonic clock."""


class Executor(Protocol):
    """What executes runs in this process."""

    def admitting(self, run_id: UUID, user_id: UUID) -> AbstractAsyncContextManager[UUID | None]:
        """Announce an admission; gives the worker id to admit the run under.

        None while this process takes no more runs, or its user has as many as may be: the run is to be
        queued then.
        """

    def traceparent(self) -> str | None:
        """Return the trace that the caller is part of, for whoever does its run or task, if it is part of one.

        https://www.w3.org/TR/trace-context/#traceparent-header
        """

    def launch(self, work: Work) -> None:
        """Execute `work` in the background until it ends, is fenced or handed over."""

    def wake(self) -> None:
        """Look for work that can be claimed now."""

    def cancel(self, run_id: UUID) -> None:
        """Make a run notice at once that it is to be cancelled, wherever it executes."""
