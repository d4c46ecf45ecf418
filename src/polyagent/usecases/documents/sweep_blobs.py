"""What was uploaded and belongs to no document: somebody died between two steps."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from polyagent.domain.ids import made_at
from polyagent.ports.clock import Clock
from polyagent.ports.documents.blobs import Blobs
from polyagent.ports.documents.documents import Indexes

AGE = timedelta(days=1)


class SweepBlobs:
    def __init__(self, blobs: Blobs, indexes: Indexes, clock: Clock) -> None:
        self._blobs = blobs
        self._indexes = indexes
        self._clock = clock

    async def __call__(self) -> int:
        """Delete what is older than a day and in no document; return how many."""
        swept = 0
        async for names in self._blobs.names():
            old = [name for name in names if self._is_old(name)]
            known = await self._indexes.known(old)
            swept += await self._delete([name for name in old if name not in known])
        return swept

    async def _delete(self, names: Sequence[str]) -> int:
        for name in names:
            await self._blobs.delete(name)
        return len(names)

    def _is_old(self, name: str) -> bool:
        """Say whether it is ours, by its name, and was begun long ago."""
        try:
            began = made_at(UUID(name))
        except ValueError:
            return False
        return began < self._clock.now() - AGE
