"""The server's side: have a child read one file, and hand on its pieces."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress

import msgspec

from polyagent.adapters.extraction.children import Child, Nursery
from polyagent.adapters.extraction.requests import CPU_S, MEMORY_BYTES, Line, Refusal, Request
from polyagent.domain.documents.chunking import Piece, Sizes
from polyagent.domain.documents.document import Document
from polyagent.domain.errors import (
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
    TaskFailed,
)

MAX_CHILDREN = 2
SILENCE_S = 60.0

REFUSALS: Mapping[str, type[DocumentUnreadable]] = {
    kind.code: kind
    for kind in (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex, DocumentWithoutText)
}


class ChildExtractor:
    def __init__(self, sizes: Sizes, *, cpu_s: int = CPU_S) -> None:
        self._sizes = sizes
        self._cpu_s = cpu_s
        self._places = asyncio.Semaphore(MAX_CHILDREN)
        self._nursery = Nursery()

    async def __call__(
        self, document: Document, content: AsyncIterator[bytes]
    ) -> AsyncGenerator[Piece, None]:
        request = Request(
            content_type=document.content_type,
            size_bytes=document.size_bytes,
            sizes=self._sizes,
            cpu_s=self._cpu_s,
        )
        async with self._places, self._nursery.child() as child:
            await _feed(child, request, content)
            async for line in _lines(child):
                for piece in line.pieces:
                    yield piece

    def close(self) -> None:
        self._nursery.close()


async def _feed(child: Child, request: Request, content: AsyncIterator[bytes]) -> None:
    # our end stays open: its end tells the child that we are gone
    child.writer.write(msgspec.json.encode(request) + b"\n")
    async for chunk in content:
        with suppress(BrokenPipeError, ConnectionResetError):  # what it says, or does not, is read
            child.writer.write(chunk)
            await child.writer.drain()


async def _lines(child: Child) -> AsyncIterator[Line]:
    """Raises `DocumentUnreadable`, also if the child ends or says nothing before it is done.

    `TaskFailed` if it ended with what forked it: another may read the document.
    """
    while True:
        line = await _line(child)
        if line.refusal is not None:
            raise _refused(line.refusal)
        if line.done:
            return
        yield line


async def _line(child: Child) -> Line:
    try:
        async with asyncio.timeout(SILENCE_S):
            return msgspec.json.decode(await child.reader.readline(), type=Line)
    except (TimeoutError, ValueError, ConnectionError) as error:
        if child.is_orphan:
            raise TaskFailed("What reads documents was ended by somebody else.") from error
        megabytes = MEMORY_BYTES // 1024**2
        raise DocumentTooComplex(
            f"To read it takes more than {CPU_S} s or {megabytes} MB, or it is made to break what reads it."
        ) from error


def _refused(refusal: Refusal) -> DocumentUnreadable:
    return REFUSALS.get(refusal.code, DocumentUnreadable)(refusal.detail)
