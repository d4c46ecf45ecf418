from typing import Annotated, Any
from uuid import UUID

import msgspec
from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from polyagent.adapters.http.asks.chatting import chat_key, cursor
from polyagent.adapters.http.asks.failing import ADMISSION
from polyagent.adapters.http.asks.keys import Key
from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import Limit, paged
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.errors import NotAcceptable
from polyagent.adapters.http.rates import RequestRates
from polyagent.adapters.http.reader import Reader
from polyagent.adapters.http.routes.chat import LastEventId, accepted, location
from polyagent.adapters.http.routes.sessions import EndUser
from polyagent.adapters.http.stream import MEDIA_TYPE, streamed
from polyagent.domain.chat import Ask
from polyagent.domain.errors import RunFinished, TooManyOpen
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.run import Run, RunStatus
from polyagent.usecases.chat import SendChat
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.runs import ManageRuns

After = Annotated[str | None, QueryParameter(description="Go on behind this event.")]


class EventPage(msgspec.Struct, frozen=True):
    """`ended`: the run's last event is among these or before them."""

    items: list[msgspec.Raw]
    next_after: int
    ended: bool


class RunController(Controller):
    path = "/api/v1/runs"
    tags = ("Runs",)

    @post("/", status_code=202, permission="chat", operation_id="create_run", fails=ADMISSION)
    @inject
    async def create(
        self,
        request: Call,
        data: JSONBody[Ask],
        send: FromDishka[SendChat],
        rates: NamedDependency[RequestRates],
        key: Key = None,
    ) -> Response[Run]:
        """Start a run

        The body of a chat; the run goes on by itself.
        """
        await rates.of_message(request.scope, request.user, data.end_user)
        ask = msgspec.structs.replace(data, stream=None, background=True)
        return accepted(await send(request.user, ask, key=chat_key(key, ask)))

    @get("/", permission="chat", operation_id="list_runs")
    @inject
    async def list_runs(
        self,
        request: Call,
        page: NamedDependency[PageAsk],
        runs: FromDishka[ManageRuns],
        session_id: FromQuery[UUID | None] = None,
        status: FromQuery[RunStatus | None] = None,
        end_user: EndUser = None,
    ) -> Response[Page[Run]]:
        """List runs"""
        found = await runs.list(
            request.user, page, session_id=session_id, status=status, end_user=end_user
        )
        return paged(request, found)

    @get("/{run_id:uuid}", permission="chat", operation_id="get_run")
    @inject
    async def read(
        self, request: Call, run_id: FromPath[UUID], runs: FromDishka[ManageRuns]
    ) -> Run:
        """Read a run"""
        return await runs.get(request.user, run_id)

    @post(
        "/{run_id:uuid}/cancel",
        status_code=202,
        permission="chat",
        operation_id="cancel_run",
        fails=(RunFinished,),
    )
    @inject
    @once
    async def cancel(
        self, request: Call, run_id: FromPath[UUID], runs: FromDishka[ManageRuns]
    ) -> Run:
        """Cancel a run"""
        return await runs.cancel(request.user, run_id)

    @get(
        "/{run_id:uuid}/events",
        permission="chat",
        takes_ticket=True,
        operation_id="list_run_events",
        fails=(NotAcceptable, TooManyOpen),
    )
    @inject
    async def events(
        self,
        request: Call,
        run_id: FromPath[UUID],
        follow: FromDishka[FollowRun],
        reader: NamedDependency[Reader],
        rates: NamedDependency[RequestRates],
        last_event_id: LastEventId = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Response[Any]:
        """Follow a run

        Server-sent events from the start or behind a cursor; 204 when nothing is left. With
        `Accept: application/json` a page of them.
        """
        wanted = request.accept.best_match([MEDIA_TYPE, "application/json"])
        if wanted is None:
            raise NotAcceptable("Events come as text/event-stream or as application/json.")
        at = cursor(last_event_id, after)
        run = await follow.check(request.user, run_id, at)
        if wanted != MEDIA_TYPE:
            return await _page(request, follow, run_id, at, limit)
        if run is None:
            return Response(b"", status_code=204)
        await rates.of_stream(request.scope, request.user)
        events = reader.after(request.user, run, at)
        return streamed(request, events, reader, location=location(run), headers={})


async def _page(
    request: Call, follow: FollowRun, run_id: UUID, at: int, limit: int
) -> Response[EventPage]:
    events, ended = await follow.page(request.user, run_id, at, limit)
    items = [msgspec.Raw(event.wire) for event in events]
    last = events[-1].id if events else at
    return Response(EventPage(items, last, ended), media_type="application/json")
