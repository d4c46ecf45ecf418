from collections.abc import AsyncIterator, Sequence

from polyagent.domain.errors import BlobGone


class MemoryBlobs:
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        self._kept[name] = b"".join([chunk async for chunk in chunks])

    async def read(self, name: str) -> AsyncIterator[bytes]:
        if name not in self._kept:
            raise BlobGone("What was uploaded is not in the storage any more.")
        yield self._kept[name]

    async def delete(self, name: str) -> None:
        self._kept.pop(name, None)

    async def names(self) -> AsyncIterator[Sequence[str]]:
        yield [*self._kept]
