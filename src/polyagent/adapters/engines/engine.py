"""What the watchdog asks of an engine."""

import importlib.util
import subprocess
from pathlib import Path
from signal import Signals
from typing import Protocol


class Engine(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    @property
    def orders(self) -> tuple[tuple[Signals, float], ...]:
        """Return the signals that end it, each with the seconds to wait before the next."""

    def prepare(self) -> None:
        """Bring what it needs on disk in order. Raises `EngineError`."""

    def start(self) -> subprocess.Popen[bytes]: ...

    def is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Say whether it answers; never raises, and returns at once."""

    def version(self) -> str: ...


def package(name: str) -> Path | None:
    """Return where an installed package lies; nothing of it is imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
