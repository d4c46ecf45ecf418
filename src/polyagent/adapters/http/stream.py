"""Server-sent events: a run's events as frames, written as they come.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import structlog
from litestar.response import Stream

from polyagent.adapters.http.call import Call
from polyagent.adapters.http.drain import Drain
from polyagent.adapters.http.reader import Held, Reader, nothing_ends
from polyagent.domain.event import Event

MEDIA_TYPE = "text/event-stream"
PING = b": ping\n\n"
COME_BACK = b"retry: 1000\n\n"
MAX_WAITING = 256
MAX_WAITING_BYTES = 1024 * 1024

Events = AsyncGenerator[Event | None, None]
Write = Callable[[Event | None], bytes]
"""Tells an event, or None for silence, as bytes; none where there is nothing to say. May raise `Over`."""

log = structlog.get_logger("polyagent.http")


class Over(Exception):
    """The stream ends here, with these last bytes, whatever else happens."""

    def __init__(self, last: bytes) -> None:
        self.last = last


def frame(event: Event | None) -> bytes:
    if event is None:
        return PING
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.id, event.type.encode(), event.wire)


async def frames(
    events: Events,
    drain: Drain,
    write: Write = frame,
    *,
    held: Held = nothing_ends,
    first: bytes = b"",
    farewell: bytes = COME_BACK,
    refusal: bytes = b"",
) -> AsyncIterator[bytes]:
    """Yield `first`, then what is ready as one write; end with the events, or with a `farewell` at a drain.

    End with a `refusal`, and at once, when the credentials do.
    """
    if first:
        yield first
    outbox = _Outbox()
    pump = asyncio.create_task(_pump(events, outbox, write, farewell))
    try:
        with (
            drain.listening(lambda: outbox.close(farewell)),
            held(lambda: outbox.shut(refusal)),
        ):
            async for ready in outbox:
                yield ready
    finally:
        pump.cancel()


async def _pump(events: Events, outbox: "_Outbox", write: Write, farewell: bytes) -> None:
    try:
        async with aclosing(events):
            async for event in events:
                if ready := write(event):
                    await outbox.put(ready)
        outbox.close()
    except Over as over:
        outbox.close(over.last)
    except Exception:
        log.exception("stream.broke")  # the run goes on, and can be followed again
        outbox.close(farewell)


class _Outbox:
    """Frames on their way to one client; a slow one holds its source back."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._size_bytes = 0
        self._is_closed = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    async def put(self, ready: bytes) -> None:
        while self._is_full and not self._is_closed:
            self._emptied.clear()
            await self._emptied.wait()
        if not self._is_closed:
            self._frames.append(ready)
            self._size_bytes += len(ready)
            self._filled.set()

    @property
    def _is_full(self) -> bool:
        return len(self._frames) >= MAX_WAITING or self._size_bytes >= MAX_WAITING_BYTES

    def close(self, last: bytes = b"") -> None:
        if not self._is_closed:
            self._frames.append(last)
            self._is_closed = True
            self._filled.set()

    def shut(self, last: bytes = b"") -> None:
        """Close, and drop what waits."""
        self._frames.clear()
        self.close(last)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._frames or not self._is_closed:
            await self._filled.wait()
            self._filled.clear()
            frames, self._frames = self._frames, []
            self._size_bytes = 0
            self._emptied.set()
            yield b"".join(frames)


def streamed(
    request: Call, events: Events, reader: Reader, *, location: str, headers: dict[str, str]
) -> Stream:
    """Answer with events; to HEAD with none of them."""
    is_head = request.scope["state"]["is_head"]
    return Stream(
        iter(()) if is_head else frames(events, reader.drain, held=reader.held),
        status_code=200,
        media_type=MEDIA_TYPE,
        headers={"X-Accel-Buffering": "no", "Content-Location": location, **headers},
    )
