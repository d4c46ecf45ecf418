"""A proxy in front of an engine that does to its connections what networks do."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Literal, Self

Mode = Literal["pass", "slow", "freeze", "refuse"]
CHUNK = 65_536
POLL_S = 0.02


class FaultProxy:
    """Listens on a port of 127.0.0.1 for the socket of an engine, in a thread of its own.

    `slow` holds each piece back for `delay_s`; `freeze` passes nothing and keeps connections open;
    `refuse` resets those that are open and those that come.
    """

    def __init__(self, target: str) -> None:
        self.port = 0
        self._target = target
        self._mode: Mode = "pass"
        self._delay_s = 0.0
        self._live: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def set(self, mode: Mode, *, delay_s: float = 0.0) -> None:
        self._run(self._set(mode, delay_s))

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _set(self, mode: Mode, delay_s: float) -> None:
        self._mode, self._delay_s = mode, delay_s
        if mode == "refuse":
            self._abort()

    async def _close(self) -> None:
        self._server.close()
        self._abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _abort(self) -> None:
        for writer in tuple(self._live):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "refuse":
            writer.transport.abort()
            return
        with suppress(OSError):
            theirs, answers = await asyncio.open_unix_connection(self._target)
            self._live |= {writer, answers}
            try:
                await asyncio.gather(self._pump(reader, answers), self._pump(theirs, writer))
            finally:
                self._live -= {writer, answers}
                writer.transport.abort()
                answers.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(CHUNK):
            await asyncio.sleep(self._delay_s if self._mode == "slow" else 0)
            while self._mode == "freeze":
                await asyncio.sleep(POLL_S)
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
