from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from polyagent.domain.event import Event


class Feed(Protocol):
    """One reader's live view of one run: a place in its live log."""

    @property
    def is_live(self) -> bool:
        """Whether the run executes in this process: whatever happens is then in the feed at once."""

    def take(self) -> Sequence[Event]:
        """Return what came since the last call, in order; it may begin behind the reader's cursor.

        A gap in the ids is a part that the live log has lost, or never had.
        """

    async def wait(self) -> None:
        """Return when something came, `is_live` changed, or `wake` was called."""

    def wake(self) -> None: ...


class Events(Protocol):
    """The live logs of runs: what happens now, before and beside the journal."""

    def open(self, run_id: UUID, epoch: int) -> None:
        """This process executes the run from now on, under that epoch."""

    def publish(self, event: Event) -> None:
        """Show an event to its readers, here and elsewhere; ids grow."""

    async def flush(self, run_id: UUID) -> None:
        """Return when what was published is within reach of readers elsewhere, or a moment passed."""

    def close(self, run_id: UUID) -> None:
        """This process executes the run no longer; what was published stays for a while."""

    def subscribe(self, run_id: UUID, after: int) -> AbstractAsyncContextManager[Feed]:
        """Follow a run from behind `after`, wherever it executes: what its live log holds comes first.

        A slow reader loses its middle rather than hold anybody back: it sees a gap in the ids.
        """


class LiveLogs(Events, Protocol):
    """The live logs that one process holds: of runs that execute here, and copies of others."""

    def relay(self, event: Event) -> None:
        """Show an event of a run that executes elsewhere, if it is newer than what the log has."""

    def shown(self, run_id: UUID) -> Sequence[Event]:
        """Return what the log of a run holds, in order."""
