"""Where the bytes of documents are kept, by names that are ours."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol


class Blobs(Protocol):
    """Each method may raise `StorageUnavailable`."""

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep all of it, or nothing if `chunks` or this raises. It is never whole in memory."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """Raises `BlobGone` if there is none."""

    async def delete(self, name: str) -> None:
        """Take it away, if it is there."""

    def names(self) -> AsyncIterator[Sequence[str]]:
        """Return the names of all that is kept, in batches."""
