"""A web server on a real socket that does what a request's path names."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote

ENDLESS_PIECE = bytes(64 * 1024)


class WebServer:
    """`asked` are the request lines that it saw, `requests` their whole heads and bodies.

    `pages` are bodies by their path; other paths are the names of what goes wrong, below.
    `released` ends what hangs.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.requests: list[bytes] = []
        self.pages: dict[str, bytes] = {}
        self.released = asyncio.Event()
        self.gone = asyncio.Event()
        self.port = 0

    @asynccontextmanager
    async def open(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["WebServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.released.set()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.split(b"\r\n")[0].decode("latin-1"))
            self.requests.append(head + await _body(reader, head))
            await self._play(head.split()[1].decode("latin-1"), writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _play(self, path: str, writer: asyncio.StreamWriter) -> None:
        name, _, value = unquote(path.strip("/")).partition("/")
        if path in self.pages:
            writer.write(answer(self.pages[path]))
        elif name in PLAYS:
            writer.write(PLAYS[name](value))
        elif name == "reset":
            writer.transport.abort()
        elif name == "silent":
            await self.released.wait()
        elif name == "slow":
            writer.write(answer(b"x", "Content-Length: 100"))
            await writer.drain()
            await self.released.wait()
        elif name == "endless":
            await self._endless(writer)
        else:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async def _endless(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.released.is_set():
            writer.write(ENDLESS_PIECE)
            await writer.drain()


def answer(body: bytes, headers: str | None = None) -> bytes:
    headers = f"Content-Length: {len(body)}" if headers is None else headers
    return f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode() + body


def _redirect(value: str) -> bytes:
    status, _, place = value.partition(" ")
    return f"HTTP/1.1 {status} Go\r\nLocation: {place}\r\n\r\n".encode()


def _refusal(status: int, body: str, header: str) -> bytes:
    head = f"HTTP/1.1 {status} So\r\n{header}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    return (head + body).encode()


PLAYS: dict[str, Callable[[str], bytes]] = {
    "redirect": _redirect,
    "loop": lambda value: _redirect(f"302 /loop/{value}x"),
    "status": lambda value: f"HTTP/1.1 {value} So\r\nContent-Length: 0\r\n\r\n".encode(),
    "busy": lambda value: _refusal(503, "busy", f"Retry-After: {value}"),
    "wrong": lambda value: _refusal(500, value, "X-Why: none"),
    "announced": lambda _: answer(b"x", "Content-Length: 99999999999"),
    "bomb": lambda _: answer(gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip"),
    "header": lambda value: answer(b"x", f"X-Long: {'y' * int(value)}"),
    "headers": lambda value: answer(b"x", "\r\n".join(f"X-{n}: y" for n in range(int(value)))),
    "cookie": lambda _: answer(b"x", "Set-Cookie: a=b\r\nContent-Length: 1"),
    "garbage": lambda _: b"SSH-2.0-OpenSSH_9.7\r\n",
    "half": lambda _: answer(b"half", "Content-Length: 100"),
}


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line.partition(b":")[2]))
    return b""
