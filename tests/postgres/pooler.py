"""A pooler that gives a connection a session of the server for one transaction at a time, as PgBouncer does."""

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SSL_REQUEST = 80877103
PROTOCOL = 196608


class Session:
    """One session of the server, and what the server said as it began."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.greeting = b""

    async def begin(self, role: str, database: str) -> None:
        words = f"user\0{role}\0database\0{database}\0\0".encode()
        self.writer.write(struct.pack("!ii", len(words) + 8, PROTOCOL) + words)
        kind = b""
        while kind != b"Z":
            kind, message = await message_of(self.reader)
            self.greeting += message


async def message_of(reader: StreamReader) -> tuple[bytes, bytes]:
    """Return the kind of the next message, and all of it."""
    head = await reader.readexactly(5)
    (size,) = struct.unpack("!i", head[1:])
    return head[:1], head + await reader.readexactly(size - 4)


class TransactionPooler:
    def __init__(self, socket: str, role: str, database: str) -> None:
        self._socket = socket
        self._login = (role, database)
        self._idle: list[Session] = []
        self._all: list[Session] = []
        self._clients: set[asyncio.Task[None]] = set()

    async def take(self) -> Session:
        """Return the session that was used last of those that are free."""
        if not self._idle:
            made = Session(*await asyncio.open_unix_connection(self._socket))
            await made.begin(*self._login)
            self._all.append(made)
            self._idle.append(made)
        return self._idle.pop()

    def give_back(self, session: Session) -> None:
        self._idle.append(session)

    def meet(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._clients.add(asyncio.create_task(Client(self, reader, writer).served()))

    async def close(self) -> None:
        for session in self._all:
            session.writer.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)


class Client:
    """`session` is there from the first message of a transaction to its end."""

    def __init__(
        self, pooler: TransactionPooler, reader: StreamReader, writer: StreamWriter
    ) -> None:
        self._pooler = pooler
        self._reader = reader
        self._writer = writer
        self._session: Session | None = None
        self._answers: asyncio.Task[None] | None = None

    async def served(self) -> None:
        try:
            await self._greet()
            while True:
                _, message = await message_of(self._reader)
                await self._pass_on(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writer.close()
            if self._answers is not None:
                self._answers.cancel()

    async def _greet(self) -> None:
        code = SSL_REQUEST
        while code == SSL_REQUEST:
            size, code = struct.unpack("!ii", await self._reader.readexactly(8))
            await self._reader.readexactly(size - 8)
            self._writer.write(b"N" if code == SSL_REQUEST else b"")
        session = await self._pooler.take()
        self._pooler.give_back(session)
        self._writer.write(session.greeting)

    async def _pass_on(self, message: bytes) -> None:
        if self._session is None:
            self._session = await self._pooler.take()
            self._answers = asyncio.create_task(self._answer(self._session))
        self._session.writer.write(message)

    async def _answer(self, session: Session) -> None:
        """Pass on what the server says until it is in no transaction any more."""
        message = b""
        while not (message.startswith(b"Z") and message.endswith(b"I")):
            _, message = await message_of(session.reader)
            self._writer.write(message)
        self._session = None
        self._pooler.give_back(session)


@asynccontextmanager
async def transaction_pooler(socket: str, role: str, database: str) -> AsyncIterator[str]:
    """Pool a server that trusts everybody; give the URL of the pooler."""
    pooler = TransactionPooler(socket, role, database)
    server = await asyncio.start_server(pooler.meet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://{role}@127.0.0.1:{port}/{database}"
    server.close()
    await pooler.close()
