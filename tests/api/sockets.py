"""A house on a real port, and clients that open sockets to it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from dishka import Provider
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from polyagent.settings import Settings
from tests.api.asyncapi import check
from tests.api.client import LIMIT_S, Client
from tests.api.house import House
from tests.e2e.server import free_port

POLL_S = 0.02


class Talk:
    """One open socket, as a client sees it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @property
    def protocol(self) -> str | None:
        return self._connection.subprotocol

    async def says(self, kind: str, **fields: Any) -> None:
        await self.sends(json.dumps({"type": kind, **fields}))

    async def sends(self, frame: str | bytes, *, text: bool | None = None) -> None:
        await self._connection.send(frame, text=text)

    async def hears(self) -> Any:
        async with asyncio.timeout(LIMIT_S):
            frame = json.loads(await self._connection.recv())
        check(frame)
        return frame

    async def asks(self, kind: str, **fields: Any) -> Any:
        """Say something and return the next frame."""
        await self.says(kind, **fields)
        return await self.hears()

    async def hears_until(self, kind: str) -> list[Any]:
        """Return the frames up to the first of a type."""
        heard = [await self.hears()]
        while heard[-1]["type"] != kind:
            heard.append(await self.hears())
        return heard

    async def is_closed(self) -> int:
        """Read on until the server closes, and return its code."""
        with suppress(ConnectionClosed):
            while True:
                await self.hears()
        assert self._connection.close_code is not None
        return self._connection.close_code


class Street:
    """A house with a port."""

    def __init__(self, house: House, port: int) -> None:
        self.house = house
        self.port = port

    @asynccontextmanager
    async def talk(
        self,
        who: Client | None = None,
        path: str = "/ws",
        *,
        protocols: Sequence[str] = (),
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[Talk]:
        given = dict(headers or {})
        if who is not None and who.token is not None:
            given["Authorization"] = f"Bearer {who.token}"
        async with connect(
            f"ws://127.0.0.1:{self.port}{path}",
            additional_headers=given,
            subprotocols=[Subprotocol(name) for name in protocols] or None,
            max_size=None,
            proxy=None,
            open_timeout=LIMIT_S,
        ) as connection:
            yield Talk(connection)

    async def raw(self, path: str, token: str) -> socket.socket:
        """Open a socket by hand, which nobody reads."""
        loop = asyncio.get_running_loop()
        client = socket.socket()
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, ("127.0.0.1", self.port))
        request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        await loop.sock_sendall(client, request.encode())
        return client


@asynccontextmanager
async def street(settings: Settings, *overrides: Provider) -> AsyncIterator[Street]:
    house = House(settings, *overrides)
    port = free_port()
    server = Server(
        house.app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve())
    try:
        await _answers(port, serving)
        yield Street(house, port)
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian has no type for it
        async with asyncio.timeout(LIMIT_S):
            await serving
        await house.container.close()


async def _answers(port: int, serving: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            assert not serving.done(), serving
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(POLL_S)
