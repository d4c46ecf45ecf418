from typing import Annotated
from uuid import UUID

from dishka import FromDishka
from dishka.integrations.litestar import inject
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from polyagent.adapters.http.asks.once import once
from polyagent.adapters.http.asks.paging import oldest_first, paged
from polyagent.adapters.http.asks.preconditions import IfMatch, expected_version, tagged
from polyagent.adapters.http.call import Call
from polyagent.domain.chat import ForkSession, Message, PatchSession, Session
from polyagent.domain.page import Page, PageAsk
from polyagent.usecases.sessions import ManageSessions

EndUser = Annotated[str | None, QueryParameter(max_length=200)]


class SessionController(Controller):
    path = "/api/v1/chat/sessions"
    tags = ("Sessions",)

    @get("/", permission="chat", operation_id="list_sessions")
    @inject
    async def list_sessions(
        self,
        request: Call,
        page: NamedDependency[PageAsk],
        sessions: FromDishka[ManageSessions],
        end_user: EndUser = None,
        agent_id: FromQuery[UUID | None] = None,
    ) -> Response[Page[Session]]:
        """List sessions"""
        found = await sessions.list(request.user, page, end_user=end_user, agent_id=agent_id)
        return paged(request, found)

    @get("/{session_id:uuid}", permission="chat", operation_id="get_session")
    @inject
    async def read(
        self, request: Call, session_id: FromPath[UUID], sessions: FromDishka[ManageSessions]
    ) -> Response[Session]:
        """Read a session"""
        return tagged(await sessions.get(request.user, session_id))

    @patch("/{session_id:uuid}", permission="chat", operation_id="update_session")
    @inject
    async def update(
        self,
        request: Call,
        session_id: FromPath[UUID],
        data: JSONBody[PatchSession],
        sessions: FromDishka[ManageSessions],
        if_match: IfMatch = None,
    ) -> Response[Session]:
        """Change a session

        A merge patch (RFC 7396) of its title and metadata. Makes a new version; chatting does not.
        """
        version = await expected_version(
            request, if_match, lambda: sessions.get(request.user, session_id)
        )
        return tagged(await sessions.change(request.user, session_id, data, version=version))

    @delete("/{session_id:uuid}", permission="chat", operation_id="delete_session")
    @inject
    async def remove(
        self,
        request: Call,
        session_id: FromPath[UUID],
        sessions: FromDishka[ManageSessions],
        if_match: IfMatch = None,
    ) -> None:
        """Delete a session

        Hides it at once and cancels its runs.
        """
        version = await expected_version(
            request, if_match, lambda: sessions.get(request.user, session_id)
        )
        await sessions.delete(request.user, session_id, version=version)

    @post("/{session_id:uuid}/fork", permission="chat", operation_id="fork_session")
    @inject
    @once
    async def fork(
        self,
        request: Call,
        session_id: FromPath[UUID],
        data: JSONBody[ForkSession],
        sessions: FromDishka[ManageSessions],
    ) -> Response[Session]:
        """Fork a session

        Makes a new one that begins with the history up to and including a message.
        """
        fork = await sessions.fork(request.user, session_id, data)
        return tagged(fork, status_code=201, headers={"Location": f"{self.path}/{fork.id}"})

    @get(
        "/{session_id:uuid}/messages",
        permission="chat",
        operation_id="list_messages",
        dependencies={"page": Provide(oldest_first, sync_to_thread=False)},
    )
    @inject
    async def messages(
        self,
        request: Call,
        session_id: FromPath[UUID],
        page: NamedDependency[PageAsk],
        sessions: FromDishka[ManageSessions],
    ) -> Response[Page[Message]]:
        """List a session's messages

        Oldest first, unless asked otherwise.
        """
        return paged(request, await sessions.messages(request.user, session_id, page))
