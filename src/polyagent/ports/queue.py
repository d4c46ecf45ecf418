"""The order in which things are done later. The rows are the truth: a queue holds only their turns."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from polyagent.domain.queue import Entry, Sweep


class Queue(Protocol):
    """Users take turns within a priority, and a priority has twice the turns of the one below.

    Whoever makes a row claimable puts its id; whoever takes an id claims its row, and drops the id if
    somebody was faster. An id that is lost between the two is found by the next sweep. Every coroutine
    may raise `QueueUnavailable`.
    """

    def offer(self, *entries: Entry, head: bool = False) -> None:
        """Put entries soon, without waiting; what cannot be put is left to the sweep."""

    async def put(self, entries: Sequence[Entry], *, head: bool = False) -> None:
        """Add entries in their order, each behind what its user has waiting, or before everybody.

        One that waits already keeps its place; one with a delay enters when that is over, also if it is
        put again within `HELD_S` of that. One with a delay of more than `FAR_S` may be left to a later sweep.
        """

    async def take(self, n: int, block_s: float) -> Sequence[Entry]:
        """Remove up to `n` entries and return them in their turn; wait `block_s` for the first.

        Cancelling it may lose what was being taken.
        """

    async def begin_sweep(self) -> Sweep | None:
        """Return where the sweep goes on; None if another process began one within this second."""

    async def end_sweep(self, after: int) -> None:
        """Say where the next sweep goes on; 0: at the beginning."""


class Backlog(Protocol):
    """The rows whose turns a queue holds."""

    async def page(self, after: int, limit: int) -> tuple[Sequence[Entry], int]:
        """Look at up to `limit` waiting rows behind `after`, in the order of their admission.

        Returns those that could be claimed now, and where the next page begins; 0: there is none.
        """

    async def depth(self) -> Mapping[str, int]:
        """Return how many have not ended, by their status."""


class TaskQueue(Queue, Protocol):
    """The queue of tasks."""


class TaskBacklog(Backlog, Protocol):
    """The tasks whose turns it holds."""
