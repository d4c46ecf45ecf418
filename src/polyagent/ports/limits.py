from collections.abc import Sequence
from typing import Protocol

from polyagent.domain.limit import Bucket, Standing


class Rates(Protocol):
    """What was taken of buckets, whichever process gave it."""

    async def take(self, buckets: Sequence[Bucket], *, lenient: bool = False) -> Standing:
        """Take one unit of each, or of none if one has none left.

        Returns the standing of that one, else of the one that has the least left. Never raises: while
        the shared count is away a `lenient` take is given, others are counted for this process alone.
        """

    def peek(self, bucket: Bucket) -> Standing:
        """Return its standing as it is known here, taking nothing: with a `retry_after_s` where none is left."""

    async def give_back(self, bucket: Bucket) -> None:
        """Make one `take` of it undone."""


class Places(Protocol):
    """How much each has open at once, in all processes together; a dead process holds nothing."""

    async def enter(self, kind: str, whose: str, most: int, *, exact: bool) -> bool:
        """Say whether `whose` has one of `most` places now; while the shared count is away, of this process.

        Where it need not be `exact`, a process gives a twentieth of them before it asks for the others'
        count, while it last heard that fewer than half are taken.
        """

    def hold(self, kind: str, whose: str) -> None:
        """Count one place more, even over the most: it was taken already."""

    def leave(self, kind: str, whose: str) -> None: ...
