from collections.abc import Callable
from uuid import UUID


class MemorySignals:
    """Hints within one process."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[UUID], None]] = []

    def cancelled(self, run_id: UUID) -> None:
        for listener in self._listeners:
            listener(run_id)

    def on_cancelled(self, listener: Callable[[UUID], None]) -> None:
        self._listeners.append(listener)
