from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from polyagent.domain.event import Event


class Feed(Protocol):
    """One reader's live view of one run."""

    @property
    def is_live(self) -> bool:
        """Whether the run's events reach this process as they happen."""

    def take(self) -> Sequence[Event]:
        """Return what came since the last call, in order; it may begin behind the reader's cursor."""

    async def wait(self, timeout_s: float) -> bool:
        """Return True when something came or `is_live` changed, False after `timeout_s`."""


class Events(Protocol):
    """The live log of runs: what happens now, before and beside the journal."""

    def open(self, run_id: UUID, session_id: UUID | None) -> None:
        """This process executes the run from now on."""

    def publish(self, event: Event) -> None:
        """Show an event to its readers; ids grow."""

    def close(self, run_id: UUID) -> None:
        """This process executes the run no longer; what was published stays for a while."""

    def subscribe(self, run_id: UUID, after: int) -> AbstractAsyncContextManager[Feed]:
        """Follow a run from behind `after`: what the live log still holds comes first.

        A slow reader whose buffer overflows loses its middle: it sees a gap in the ids.
        """
