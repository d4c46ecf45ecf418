"""The answer to a completion: whole, or in chunks as it is made."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from typing import Any

from litestar import Response
from litestar.response import Stream

from polyagent.adapters.http.call import Call
from polyagent.adapters.http.errors import RunUnanswered
from polyagent.adapters.http.front.chunks import STOPPING, Chunks, error_chunk
from polyagent.adapters.http.front.whole import Whole
from polyagent.adapters.http.front.wire import CompletionResponse
from polyagent.adapters.http.reader import REVOKED, Reader
from polyagent.adapters.http.routes.chat import replayed
from polyagent.adapters.http.stream import MEDIA_TYPE, Events, frames
from polyagent.domain.completion import CompletionAsk
from polyagent.domain.errors import Stopping, Unauthenticated
from polyagent.domain.event import Event, RunCancelled, RunFailed
from polyagent.domain.run import Admitted, Run, RunError

PATIENCE_S = 10.0
"""How long a stream waits for its first output before it begins without: until then a failure has its status."""


async def answered(
    request: Call, reader: Reader, admitted: Admitted, ask: CompletionAsk
) -> Response[CompletionResponse]:
    """Wait for the run's end. Raises `RunUnanswered`, `Unauthenticated`."""
    whole, run = Whole(is_formed=ask.response_format is not None), admitted.run
    await reader.tell(request.user, admitted, whole.hear)
    if whole.error is not None:
        raise _unanswered(run, whole.error)
    if whole.usage is None:
        raise _unanswered(run, RunError(code=Stopping.code, detail=STOPPING))
    body = whole.completion(str(run.id), _created(run), ask.model, whole.usage)
    return Response(body, headers=_headers(admitted))


async def streaming(
    request: Call, reader: Reader, admitted: Admitted, ask: CompletionAsk, *, with_usage: bool
) -> Response[Any]:
    """Wait for the first output, and stream from there. Raises `RunUnanswered`, `Unauthenticated`."""
    run = admitted.run
    chunks = Chunks(
        str(run.id),
        _created(run),
        ask.model,
        live_calls=ask.agent is None and bool(ask.tools),
        with_usage=with_usage,
        is_formed=ask.response_format is not None,
    )
    events = reader.from_start(request.user, admitted)
    if admitted.replayed:
        events = _valid(events, await reader.settled(request.user, run))
    async with AsyncExitStack() as unless_streamed:
        unless_streamed.push_async_callback(events.aclose)
        first = await _first(reader, run, events, chunks)
        unless_streamed.pop_all()
    farewell = error_chunk(Stopping.code, STOPPING, 503)
    refusal = error_chunk(Unauthenticated.code, REVOKED, 401)
    rest = frames(
        *(events, reader.drain, chunks),
        held=reader.held,
        first=first,
        farewell=farewell,
        refusal=refusal,
    )
    headers = {"X-Accel-Buffering": "no", **_headers(admitted)}
    return Stream(rest, status_code=200, media_type=MEDIA_TYPE, headers=headers)


async def _valid(events: Events, settled: int) -> Events:
    """Leave out the deltas before `settled`: they are void, or there is a whole in their place."""
    async with aclosing(events):
        async for event in events:
            if event is None or event.id > settled or event.body.durable:
                yield event


async def _first(reader: Reader, run: Run, events: Events, chunks: Chunks) -> bytes:
    """Return the first output, or after a while without it what a stream begins with."""
    loop = asyncio.get_running_loop()
    patient_until = loop.time() + PATIENCE_S
    async with reader.patience():
        async for event in events:
            ready = b"" if event is None else _shown(run, event, chunks)
            if ready or loop.time() >= patient_until:
                return ready if chunks.has_begun else chunks.begin() + ready
    raise _unanswered(run, RunError(code=Stopping.code, detail=STOPPING))


def _shown(run: Run, event: Event, chunks: Chunks) -> bytes:
    match event.body:
        case RunFailed(code=code, detail=detail):
            raise _unanswered(run, RunError(code=code, detail=detail))
        case RunCancelled(reason=reason):
            raise _unanswered(run, RunError(code="cancelled", detail=reason))
    return chunks(event)


def _unanswered(run: Run, error: RunError) -> RunUnanswered:
    return RunUnanswered(error.code, error.detail, run.id)


def _created(run: Run) -> int:
    return int(run.created_at.timestamp())


def _headers(admitted: Admitted) -> dict[str, str]:
    return {"X-Run-ID": str(admitted.run.id), **replayed(admitted)}
