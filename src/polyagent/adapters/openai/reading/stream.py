"""From the bytes of a body to deltas, under deadlines and caps."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from itertools import chain, groupby

import httpx
import msgspec

from polyagent.adapters.openai.failures import WIRE_ERRORS, failure_of, named
from polyagent.adapters.openai.reading.answer import Answer
from polyagent.adapters.openai.reading.chunks import chunk_of
from polyagent.adapters.openai.reading.malformed import Malformed
from polyagent.adapters.openai.reading.sse import Event, EventParser, WholeBody
from polyagent.domain.errors import ModelServiceUnavailable
from polyagent.domain.model import ModelDelta, TextDelta

MAX_ANSWER_BYTES = 64 * 1024 * 1024
LINGER_S = 5.0  # usage may follow the finish reason this much later
BURST = 16  # events in one read
DRAIN_S = 0.1  # the end of the body may follow [DONE]; what was read to its end is used again


class Deadlines(msgspec.Struct, frozen=True):
    """When the first line and the end are due, by the event loop's clock; seconds between two lines."""

    first_at: float
    idle_s: float
    end_at: float


async def deltas(
    response: httpx.Response, answer: Answer, deadlines: Deadlines
) -> AsyncGenerator[ModelDelta, None]:
    """Read an answer to its end. Raises `ModelServiceUnavailable`, or what an error in the stream stands for."""
    body: _Body | None = None
    try:
        body = _Body(response, deadlines)
        while not body.ended and not answer.is_over:
            for delta in told(await body.events(finish_known=answer.finish_known), answer):
                yield delta
        for delta in answer.end():
            yield delta
        if not answer.is_cut:
            await body.drain()
    except Malformed as error:
        raise ModelServiceUnavailable(f"The model service sent {error}.") from error
    finally:
        if body is not None:
            await body.aclose()


def told(events: Sequence[Event], answer: Answer) -> Iterator[ModelDelta]:
    """Tell what events say; of a burst, adjoining texts as one, which nobody could tell apart anyway."""
    understood = chain.from_iterable(_understood(event, answer) for event in events)
    if len(events) < BURST:
        yield from understood
        return
    said: list[ModelDelta] = []
    try:
        said.extend(understood)
    finally:  # what was said before a failure is told before it
        yield from _joined(said)


def _joined(said: Sequence[ModelDelta]) -> Iterator[ModelDelta]:
    for is_text, deltas in groupby(said, key=lambda delta: isinstance(delta, TextDelta)):
        if is_text:
            yield TextDelta("".join(d.text for d in deltas if isinstance(d, TextDelta)))
        else:
            yield from deltas


def _understood(event: Event, answer: Answer) -> Iterator[ModelDelta]:
    if event.data == b"[DONE]":
        answer.done()
        return
    try:
        chunk = None if event.name == b"error" else chunk_of(event.data)
    except Malformed:
        if answer.finish_known:  # the answer is whole: what comes after it does no harm
            return
        raise
    if event.name == b"error" or (chunk and chunk.error):
        raise failure_of(None, event.data)
    if chunk and not answer.is_over:
        yield from answer.add(chunk)


class _Body:
    """Reads events; each read waits for a complete line, not for a byte."""

    def __init__(self, response: httpx.Response, deadlines: Deadlines) -> None:
        self.ended = False
        self._parser = _parser(response)
        self._pieces = _pieces(response)
        self._deadlines = deadlines
        self._bytes = 0
        self._due_at: float | None = deadlines.first_at

    async def events(self, *, finish_known: bool) -> list[Event]:
        """Wait for bytes and return the events that they complete, perhaps none.

        Once the finish reason is known, what follows is not waited for much longer, and its loss no error.
        """
        lines = self._parser.lines
        try:
            piece = await self._piece(LINGER_S if finish_known else self._deadlines.idle_s)
        except ModelServiceUnavailable:
            if not finish_known:
                raise
            piece = None
        if piece is None:
            self.ended = True
            return self._parser.end()
        events = self._parser.feed(piece)
        if self._parser.lines > lines:
            self._due_at = None
        return events

    async def drain(self) -> None:
        """Read the rest of a body that is over, if it is at hand."""
        self._due_at = _now() + DRAIN_S
        with suppress(ModelServiceUnavailable, Malformed):
            while not self.ended:
                self.ended = await self._piece(DRAIN_S) is None

    async def aclose(self) -> None:
        await self._pieces.aclose()

    async def _piece(self, idle_s: float) -> bytes | None:
        if self._due_at is None:
            self._due_at = _now() + idle_s
        try:
            async with asyncio.timeout_at(min(self._due_at, self._deadlines.end_at)):
                piece = await anext(self._pieces, None)
        except WIRE_ERRORS as error:
            raise named(error) from error
        self._bytes += len(piece or b"")
        if self._bytes > MAX_ANSWER_BYTES:
            raise Malformed(f"more than {MAX_ANSWER_BYTES} bytes")
        return piece


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError("the transport is not asynchronous")
    async for piece in response.stream:
        yield piece


def _parser(response: httpx.Response) -> EventParser | WholeBody:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Malformed("a compressed answer, though it was asked for a plain one")
    kind = response.headers.get("content-type", "").lower()
    if "html" in kind:
        raise Malformed("a web page")
    return WholeBody() if kind.startswith("application/json") else EventParser()


def _now() -> float:
    return asyncio.get_running_loop().time()
