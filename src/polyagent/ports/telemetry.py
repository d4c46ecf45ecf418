from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from polyagent.domain.run import RunStatus
from polyagent.domain.task import EndStatus
from polyagent.domain.usage import Usage


class Meter(Protocol):
    """Counts what operators want to see."""

    def run_ended(self, status: RunStatus) -> None: ...

    def tokens_used(self, usage: Usage) -> None: ...

    def first_token(self, seconds: float) -> None:
        """`seconds` from the run's start in this process to its first text."""

    def task_started(self, kind: str, waited_s: float) -> None:
        """`waited_s` is from when it could have begun."""

    def task_ended(self, kind: str, status: EndStatus) -> None:
        """An attempt ended; `queued`: there will be another."""

    def watch(self, what: str, read: Callable[[], int], most: int) -> None:
        """Ask `read` now and then how many of `most` are in use, in this process."""


class Figure(msgspec.Struct, frozen=True):
    """Something that is as it is for all processes: `values` by what tells them apart."""

    name: str
    meaning: str
    label: str
    values: Mapping[str, float]


class Exposition(Protocol):
    """What the edge counts, and the page on which operators read every count."""

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template (`/api/v1/agents/{id}`) or another of few words, never a path as it came."""

    def observe_refusal(self, limit: str) -> None:
        """`limit` is the name of what was used up, never whose."""

    def watch(self, what: str, read: Callable[[], int], most: int) -> None:
        """As `Meter.watch`."""

    def render(self, figures: Sequence[Figure] = ()) -> bytes:
        """Return the counts of all processes that count together, as Prometheus text, version 0.0.4."""
