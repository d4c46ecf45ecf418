"""One client: a connection on which one request follows the other."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import cast

MARKS = [b"tk%03d" % number for number in range(1000)]


class Exchange:
    """One request and what came back."""

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.first_s: float | None = None
        self.seen = 0
        self.head = b""
        self.tail = b""


class Client(asyncio.Protocol):
    """Looks for the numbered tokens in the bytes, whatever they are wrapped in.

    `ended` is called with each exchange and what is wrong with it, and begins the next one.
    """

    def __init__(self, tokens: int, ended: Callable[["Client", Exchange, str], None]) -> None:
        self._tokens = tokens
        self._ended = ended
        self._exchange: Exchange | None = None
        self._length: int | None = None
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._end("the connection was closed")

    def ask(self, request: bytes) -> None:
        self._exchange = Exchange(perf_counter())
        self._in_body = False
        self._transport.write(request)

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if not self._in_body:
            head, found, data = (exchange.head + data).partition(b"\r\n\r\n")
            exchange.head = head
            if not found:
                return
            self._begin_body(head.lower())
        self._scan(exchange, data)
        self._look_for_end(exchange, data)

    def _begin_body(self, head: bytes) -> None:
        self._in_body = True
        _, has_length, rest = head.partition(b"content-length:")
        self._length = int(rest.split(b"\r\n")[0]) if has_length else None

    def _scan(self, exchange: Exchange, data: bytes) -> None:
        text = exchange.tail + data
        at = 0
        while exchange.seen < self._tokens:
            found = text.find(MARKS[exchange.seen], at)
            if found < 0:
                break
            at = found + 5
            exchange.seen += 1
        if exchange.first_s is None and exchange.seen:
            exchange.first_s = perf_counter() - exchange.began_s
        exchange.tail = text[-7:]

    def _look_for_end(self, exchange: Exchange, data: bytes) -> None:
        if self._length is not None:
            self._length -= len(data)
            if self._length <= 0:
                self._end()
        elif exchange.tail == b"\r\n0\r\n\r\n":
            self._end()

    def _end(self, problem: str = "") -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if not problem and not exchange.head.startswith(b"HTTP/1.1 200"):
            problem = exchange.head[:200].decode(errors="replace")
        if not problem and exchange.seen < self._tokens:
            problem = f"{exchange.seen} of {self._tokens} tokens; ends with {exchange.tail!r}"
        self._ended(self, exchange, problem)
