"""Places in a queue of things that are done later."""

from hashlib import blake2b
from uuid import UUID

import msgspec

FAR_S = 3600.0
"""What is due later than in so many seconds is not queued yet: it may be cancelled, and would stay."""

HELD_S = 5.0
"""For at most so long an entry is held back for other processes, whoever puts it again meanwhile."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for its turn. `priority` 0 to 9, higher first; `who` takes turns with others (16 bytes).

    It may be taken `delay_s` after it was put. `is_new`: the database enqueued it by itself, and it has
    had no turn yet.
    """

    id: UUID
    priority: int
    who: bytes
    delay_s: float = 0.0
    is_new: bool = False


class Sweep(msgspec.Struct, frozen=True):
    """Where to walk on through the rows that could be taken; `is_rebuild`: the queue had lost all it held."""

    after: int
    is_rebuild: bool


def who(user_id: UUID, end_user: str | None = None) -> bytes:
    """Return the 16 bytes under which a user takes turns; an application's end users take their own."""
    text = b"" if end_user is None else end_user.encode("utf-8", "surrogatepass")
    return blake2b(user_id.bytes + text, digest_size=16).digest()
