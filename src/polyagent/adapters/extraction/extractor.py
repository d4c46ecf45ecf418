"""The server's side: start a child for one file, hand on its pieces, leave nothing behind."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import msgspec

from polyagent.adapters.extraction.requests import CPU_S, MEMORY_BYTES, Line, Refusal, Request
from polyagent.domain.documents.chunking import Piece, Sizes
from polyagent.domain.documents.document import Document
from polyagent.domain.errors import (
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
)

MAX_CHILDREN = 2
SILENCE_S = 60.0
LINE_BYTES = 16 * 1024 * 1024
# all that an interpreter needs; our own environment is full of secrets
ENVIRONMENT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
MODULE = "polyagent.adapters.extraction.child"

REFUSALS: Mapping[str, type[DocumentUnreadable]] = {
    kind.code: kind
    for kind in (DocumentUnreadable, DocumentEncrypted, DocumentTooComplex, DocumentWithoutText)
}


class ChildExtractor:
    def __init__(self, sizes: Sizes, *, cpu_s: int = CPU_S) -> None:
        self._sizes = sizes
        self._cpu_s = cpu_s
        self._places = asyncio.Semaphore(MAX_CHILDREN)

    async def __call__(
        self, document: Document, content: AsyncIterator[bytes]
    ) -> AsyncGenerator[Piece, None]:
        request = Request(
            content_type=document.content_type,
            size_bytes=document.size_bytes,
            sizes=self._sizes,
            cpu_s=self._cpu_s,
        )
        async with self._places, _child() as process:
            await _feed(process, request, content)
            async for line in _lines(process):
                for piece in line.pieces:
                    yield piece


@asynccontextmanager
async def _child() -> AsyncIterator[Process]:
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", MODULE),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=environment,
        limit=LINE_BYTES,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _feed(process: Process, request: Request, content: AsyncIterator[bytes]) -> None:
    # stdin stays open: its end tells the child that we are gone
    if process.stdin is None:
        raise RuntimeError("a child without pipes")
    process.stdin.write(msgspec.json.encode(request) + b"\n")
    async for chunk in content:
        with suppress(BrokenPipeError, ConnectionResetError):  # what it says, or does not, is read
            process.stdin.write(chunk)
            await process.stdin.drain()


async def _lines(process: Process) -> AsyncIterator[Line]:
    """Raises `DocumentUnreadable`, also if the child ends or says nothing before it is done."""
    while True:
        line = await _line(process)
        if line.refusal is not None:
            raise _refused(line.refusal)
        if line.done:
            return
        yield line


async def _line(process: Process) -> Line:
    if process.stdout is None:
        raise RuntimeError("a child without pipes")
    try:
        async with asyncio.timeout(SILENCE_S):
            return msgspec.json.decode(await process.stdout.readline(), type=Line)
    except (TimeoutError, ValueError) as error:
        megabytes = MEMORY_BYTES // 1024**2
        raise DocumentTooComplex(
            f"To read it takes more than {CPU_S} s or {megabytes} MB, or it is made to break what reads it."
        ) from error


def _refused(refusal: Refusal) -> DocumentUnreadable:
    return REFUSALS.get(refusal.code, DocumentUnreadable)(refusal.detail)
