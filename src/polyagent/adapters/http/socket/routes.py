from uuid import UUID

from litestar import Controller, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath

from polyagent.adapters.http.socket.sockets import Socket, Sockets


class SocketController(Controller):
    """`public`: who calls may be said in the first frame only, so sockets find it out themselves."""

    path = "/ws"

    @websocket("/", permission="public")
    async def any_session(self, socket: Socket, sockets: NamedDependency[Sockets]) -> None:
        await sockets.serve(socket, None)

    @websocket("/chat/{session_id:uuid}", permission="public")
    async def one_session(
        self, socket: Socket, session_id: FromPath[UUID], sockets: NamedDependency[Sockets]
    ) -> None:
        await sockets.serve(socket, session_id)
