"""The server's side: start a child for one request, read its answer, leave nothing behind."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Any

import msgspec

from polyagent.adapters.functions.isolated.child import CPU_S, MEMORY_BYTES, Answer
from polyagent.adapters.functions.isolated.requests import Request
from polyagent.children import bare_environment
from polyagent.domain.errors import ToolFailed

MAX_CHILDREN = 4


class Isolated:
    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_CHILDREN)

    async def __call__(self, request: Request) -> Any:
        """Return what the child says. Raises `ToolFailed`; a child that is cancelled is killed."""
        async with self._places:
            process = await _start(request.MODULE)
            try:
                answer = await _converse(process, msgspec.json.encode(request))
            except asyncio.CancelledError:
                process.kill()
                raise
            finally:
                await process.wait()
        if answer.error is not None:
            raise ToolFailed(answer.error)
        return answer.result


async def _start(module: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=bare_environment(),
    )


async def _converse(process: Process, request: bytes) -> Answer:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a child without pipes")
    # stdin stays open: its end tells the child that we are gone
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(request + b"\n")
        await process.stdin.drain()
    try:
        return msgspec.json.decode(await process.stdout.read(), type=Answer)
    except msgspec.DecodeError as error:
        megabytes = MEMORY_BYTES // 1024**2
        raise ToolFailed(
            f"It cannot be read, or it takes more than {CPU_S} s or {megabytes} MB to look at."
        ) from error
