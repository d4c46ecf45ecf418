from typing import Protocol

from polyagent.domain.startup import Started


class Console(Protocol):
    """Where `polyagent up` shows what it does. Only its main thread calls it."""

    def step(self, text: str) -> None:
        """Say what happens now: "Starting PostgreSQL 18"."""

    def warn(self, text: str) -> None: ...

    def ready(self, started: Started) -> None: ...

    def stopping(self, text: str) -> None: ...
