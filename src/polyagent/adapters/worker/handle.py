import asyncio
from collections.abc import Callable

from polyagent.domain.run import Work


class Handle:
    """One run that executes here; it is what `ports.executor.Control` asks for."""

    def __init__(
        self, work: Work, *, holds_lease: Callable[[], bool], draining: Callable[[], bool]
    ) -> None:
        self.work = work
        self.cancel_asked = False
        self.fenced = False
        self.doubts = 0
        self.task: asyncio.Task[None] | None = None
        self._holds_lease = holds_lease
        self._draining = draining

    @property
    def draining(self) -> bool:
        return self._draining()

    def holds_lease(self) -> bool:
        return self._holds_lease()

    def cancel(self) -> None:
        """Have the run cancelled; asking again changes nothing."""
        if not self.cancel_asked:
            self.cancel_asked = True
            self._stop()

    def fence(self) -> None:
        """Stop: the run is another's now."""
        self.fenced = True
        self._stop()

    def _stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
