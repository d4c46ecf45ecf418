"""The metrics of a process that has no server of its own: one page, over HTTP/1.1, a connection a request.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from polyagent.settings import SettingsError

PATH = "/metrics"
HEAD_BYTES = 16_384
TIME_S = 5.0
CONNECTIONS = 16

_KIND = {"200": "text/plain; version=0.0.4; charset=utf-8"}
_WORDS = {"200": "OK", "401": "Unauthorized", "404": "Not Found", "405": "Method Not Allowed"}


class Page:
    """`token` None: whoever asks is answered."""

    def __init__(self, render: Callable[[], bytes], token: str | None) -> None:
        self._render = render
        self._token = token
        self._answering = set[asyncio.Task[None]]()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on a connection; those who are too many, or too slow, get nothing."""
        if len(self._answering) >= CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(self._answer(reader, writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def aclose(self) -> None:
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, ValueError):
                async with asyncio.timeout(TIME_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answered(head.decode("latin-1")))
                    await writer.drain()
        finally:
            writer.close()

    def _answered(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        method, path, _ = request.split(" ")
        status = self._status(method, path.partition("?")[0], lines)
        body = self._render() if status == "200" else f"{_WORDS[status]}\n".encode()
        fields = (
            f"HTTP/1.1 {status} {_WORDS[status]}",
            f"Content-Type: {_KIND.get(status, 'text/plain')}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(("WWW-Authenticate: Bearer",) if status == "401" else ()),
            *(("Allow: GET, HEAD",) if status == "405" else ()),
        )
        told = "\r\n".join(fields).encode() + b"\r\n\r\n"
        return told if method == "HEAD" else told + body

    def _status(self, method: str, path: str, lines: list[str]) -> str:
        if path != PATH:
            return "404"
        if method not in ("GET", "HEAD"):
            return "405"
        if self._token is None:
            return "200"
        fields = (line.partition(":") for line in lines)
        given = [value.strip() for name, _, value in fields if name.lower() == "authorization"]
        wanted = f"Bearer {self._token}".encode()
        is_it = len(given) == 1 and hmac.compare_digest(given[0].encode(), wanted)
        return "200" if is_it else "401"


@asynccontextmanager
async def serving(address: str, page: Page) -> AsyncIterator[None]:
    """Serve the page on `host:port` until the block ends. Raises `SettingsError` if nobody can listen there."""
    host, _, port = address.rpartition(":")
    try:
        server = await asyncio.start_server(
            page.take, host.strip("[]"), int(port), limit=HEAD_BYTES
        )
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"telemetry.worker_metrics: cannot listen on {address}: {error}."
        ) from error
    try:
        async with server:
            yield
    finally:
        await page.aclose()
