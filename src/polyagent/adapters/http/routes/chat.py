from typing import Annotated, Any

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody

from polyagent.adapters.http.asks.chatting import chat_key, cursor, patience_s
from polyagent.adapters.http.asks.failing import ADMISSION
from polyagent.adapters.http.asks.keys import Key
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.errors import RunUnanswered
from polyagent.adapters.http.rates import RequestRates
from polyagent.adapters.http.reader import Heard, Reader
from polyagent.adapters.http.stream import streamed
from polyagent.domain.chat import Ask
from polyagent.domain.errors import CursorInvalid, Invalid, ModelServiceUnavailable, TooManyOpen
from polyagent.domain.run import Admitted, Answer, Run
from polyagent.settings import Server
from polyagent.usecases.chat import SendChat

Prefer = Annotated[
    str | None, HeaderParameter(name="Prefer", description="`wait=<s>`: answer 202 after that.")
]
LastEventId = Annotated[
    str | None, HeaderParameter(name="Last-Event-ID", description="Go on behind this event.")
]


class ChatController(Controller):
    path = "/api/v1/chat"
    tags = ("Chat",)

    @post(
        "/",
        status_code=200,
        permission="chat",
        operation_id="send_chat",
        fails=(*ADMISSION, TooManyOpen, ModelServiceUnavailable),
    )
    @inject
    async def chat(
        self,
        request: Call,
        data: JSONBody[Ask],
        send: FromDishka[SendChat],
        settings: FromDishka[Server],
        reader: NamedDependency[Reader],
        rates: NamedDependency[RequestRates],
        key: Key = None,
        prefer: Prefer = None,
    ) -> Response[Answer]:
        """Chat

        Waits for the answer; 202 with what there is so far when that takes too long. `stream: true`
        answers as POST /api/v1/chat/stream does, `background: true` as POST /api/v1/runs.
        """
        await rates.of_message(
            request.scope, request.user, data.end_user, is_streamed=bool(data.stream)
        )
        admitted = await send(request.user, data, key=chat_key(key, data))
        if data.stream:
            return await _stream(request, admitted, reader, after=0)
        if data.background:
            return accepted(admitted)
        if admitted.replayed:  # the number of runs limits those alone who wait for one of their own
            await rates.of_stream(request.scope, request.user)
        wait_s = patience_s(prefer, settings.chat_wait_s)
        return _answer(admitted, await reader.until_end(request.user, admitted, wait_s))

    @post(
        "/stream",
        status_code=200,
        permission="chat",
        operation_id="stream_chat",
        fails=(*ADMISSION, CursorInvalid, TooManyOpen),
    )
    @inject
    async def stream(
        self,
        request: Call,
        data: JSONBody[Ask],
        send: FromDishka[SendChat],
        reader: NamedDependency[Reader],
        rates: NamedDependency[RequestRates],
        key: Key = None,
        last_event_id: LastEventId = None,
    ) -> Response[Any]:
        """Chat, and hear the answer as it is made

        Server-sent events up to the run's end. The client may go away: the run goes on.
        """
        if data.stream is False or data.background:
            raise Invalid("This address streams: leave out stream and background.")
        after = cursor(last_event_id, None)
        await rates.of_message(request.scope, request.user, data.end_user, is_streamed=True)
        admitted = await send(request.user, data, key=chat_key(key, data))
        return await _stream(request, admitted, reader, after=after)


def accepted(admitted: Admitted) -> Response[Any]:
    """Answer a run that goes on by itself; one that ended before, under the same key, is told as it is."""
    headers = {"Location": location(admitted.run), **replayed(admitted)}
    has_ended = admitted.replayed and admitted.run.is_final
    return Response(admitted.run, status_code=200 if has_ended else 202, headers=headers)


def location(run: Run) -> str:
    return f"/api/v1/runs/{run.id}"


def replayed(admitted: Admitted) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if admitted.replayed else {}


async def _stream(
    request: Call, admitted: Admitted, reader: Reader, *, after: int
) -> Response[Any]:
    run, headers = admitted.run, replayed(admitted)
    if after == 0:
        events = reader.from_start(request.user, admitted)
    elif await reader.is_anything_left(request.user, run, after):
        events = reader.after(request.user, run, after)
    else:
        return Response(b"", status_code=204, headers=headers)
    return streamed(request, events, reader, location=location(run), headers=headers)


def _answer(admitted: Admitted, heard: Heard) -> Response[Answer]:
    answer = heard.answer
    if answer.status not in ("completed", "failed", "cancelled"):
        headers = {"Location": location(admitted.run), **replayed(admitted)}
        return Response(answer, status_code=202, headers=headers)
    error = answer.error
    if error and error.code == ModelServiceUnavailable.code and not heard.spoke:
        raise RunUnanswered(error.code, error.detail, answer.run_id)
    return Response(answer, status_code=200, headers=replayed(admitted))
