from typing import Protocol

from polyagent.domain.ticket import Grant


class Tickets(Protocol):
    """Tickets that were made and not used yet, by a hash: whoever reads the store can use none."""

    async def put(self, digest: str, grant: Grant, *, ttl_s: int) -> None:
        """Raises `Unavailable`."""

    async def take(self, digest: str) -> Grant | None:
        """Return what was put, to one caller only; None if it is gone. Raises `Unavailable`."""
