"""Hints from one process to the others: one that is lost costs a moment, never truth."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID


class Signals(Protocol):
    def cancelled(self, run_id: UUID) -> None:
        """Tell every process, this one too, that a run is to be cancelled."""

    def on_cancelled(self, listener: Callable[[UUID], None]) -> None:
        """Have `listener` called with each run that is to be cancelled, whoever said so."""
