from typing import Protocol

from polyagent.domain.run import RunStatus
from polyagent.domain.usage import Usage


class Meter(Protocol):
    """Counts what operators want to see."""

    def run_ended(self, status: RunStatus) -> None: ...

    def tokens_used(self, usage: Usage) -> None: ...

    def first_token(self, seconds: float) -> None:
        """`seconds` from the run's start in this process to its first text."""
