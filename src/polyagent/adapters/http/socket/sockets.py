"""The sockets of one process."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from dishka import AsyncContainer
from litestar.connection import WebSocket

from polyagent.adapters.http.drain import Drain
from polyagent.adapters.http.rates import RequestRates
from polyagent.adapters.http.revocations import Revocations
from polyagent.adapters.http.socket.connection import Close, Connection
from polyagent.adapters.http.socket.conversation import Conversation
from polyagent.adapters.http.socket.credentials import Credentials, Handshake
from polyagent.adapters.http.socket.keeper import Keeper
from polyagent.adapters.http.socket.look import SessionLook
from polyagent.adapters.http.socket.services import Services
from polyagent.adapters.http.socket.session import SessionWatch
from polyagent.adapters.http.socket.visit import Visit
from polyagent.adapters.http.socket.watches import Watches
from polyagent.ports.clock import Clock
from polyagent.ports.telemetry import Exposition
from polyagent.settings import Settings

Socket = WebSocket[Any, Any, Any]

access = structlog.get_logger("polyagent.access")
log = structlog.get_logger("polyagent.http")


class Sockets:
    """Lets in so many that the process still answers requests beside them."""

    def __init__(
        self,
        container: AsyncContainer,
        settings: Settings,
        drain: Drain,
        rates: RequestRates,
        revocations: Revocations,
    ) -> None:
        self._container = container
        self._rates = rates
        self._settings = settings
        self._drain = drain
        self._revocations = revocations
        self._look = SessionLook()
        self._open: set[Connection] = set()

    @asynccontextmanager
    async def looking(self, _: object) -> AsyncIterator[None]:
        """Look for new runs of watched sessions meanwhile."""
        exposition: Exposition = await self._container.get(Exposition)
        exposition.watch("sockets", lambda: len(self._open), self._settings.limits.sockets)
        looking = asyncio.create_task(self._look.go(self._container))
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def serve(self, socket: Socket, session_id: UUID | None) -> None:
        handshake = Handshake(
            socket.scope["path"],
            client[0] if (client := socket.scope["client"]) else "",
            socket.headers,
            socket.query_params.get("ticket"),
            socket.scope["subprotocols"],
        )
        await socket.receive()
        services = await Services.of(self._container, self._drain, self._rates)
        with self._connected(socket, services.clock) as connection:
            await self._live(connection, handshake, services, session_id)

    @contextmanager
    def _connected(self, socket: Socket, clock: Clock) -> Iterator[Connection]:
        server, began_s = self._settings.server, clock.monotonic()
        connection = Connection(
            socket.receive, socket.send, clock, write_timeout_s=server.write_timeout
        )
        if len(self._open) >= self._settings.limits.sockets:
            connection.close(Close.LIMITED)
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            if self._settings.telemetry.access_log:
                access.info(
                    "socket",
                    route=socket.scope["path_template"],
                    closed=connection.closing.name.lower() if connection.closing else None,
                    s=round(clock.monotonic() - began_s, 1),
                )

    async def _live(
        self,
        connection: Connection,
        handshake: Handshake,
        services: Services,
        session_id: UUID | None,
    ) -> None:
        credentials = Credentials(
            services.authenticate,
            services.clock,
            self._revocations,
            partial(connection.close, Close.UNAUTHENTICATED),
        )
        watches = Watches(connection)
        session = SessionWatch(session_id, credentials, watches, services)
        conversation = Conversation(connection, credentials, watches, session, services)
        visit = Visit(connection, credentials, session, conversation, services)
        keeper = Keeper(connection, credentials, watches, services.clock)
        try:
            with self._drain.listening(partial(connection.close, Close.RESTART)):
                if connection.closing is None:
                    await visit.arrive(handshake)
                await connection.open(handshake.protocol)
                await _together(connection, visit.stay(self._look), keeper.keep())
        finally:
            visit.leave()
            credentials.close()
            await watches.close()


async def _together(connection: Connection, *work: Coroutine[Any, Any, None]) -> None:
    """Write, and work beside it, until the client has left or knows that the socket is closed."""
    writing = asyncio.create_task(connection.write())
    working = [asyncio.create_task(each) for each in work]
    try:
        await writing
    finally:
        for task in (writing, *working):
            task.cancel()
        await asyncio.gather(writing, *working, return_exceptions=True)
