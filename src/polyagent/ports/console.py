from pathlib import Path
from typing import Protocol

import msgspec

from polyagent.domain.startup import Started


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `polyagent up` is told beside the settings. `ask`: a person is there to answer questions."""

    model_file: Path | None = None
    ask: bool = False


class Console(Protocol):
    """Where `polyagent up` shows what it does. Only its main thread calls it."""

    def step(self, text: str) -> None:
        """Say what happens now: "Starting PostgreSQL 18"."""

    def warn(self, text: str) -> None: ...

    def confirm(self, question: str) -> bool:
        """Ask a person; yes is the default."""

    def ready(self, started: Started) -> None: ...

    def stopping(self, text: str) -> None: ...
