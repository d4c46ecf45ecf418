"""A model service that costs next to nothing: `python -m bench.subjects.model_service PORT`.

It speaks enough of the OpenAI protocol for one answer, whose tokens are numbered (`tk000 tk001 ...`)
so that a client can tell whether all of them came, in order, in whatever envelope. `POST /pace` with
a `Pace` sets when they come.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import cast

import msgspec
import uvloop

MAX_TOKENS = 1000
MODEL = "bench"


class Pace(msgspec.Struct, frozen=True):
    """`first_ms` until the first token, `gap_ms` between two; 0: the whole answer at once."""

    first_ms: float = 10
    gap_ms: float = 10
    tokens: int = 100


def token(number: int) -> str:
    return f"tk{number:03d} "


def _chunked(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}
    return _chunked(b"data: " + msgspec.json.encode(body) + b"\n\n")


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}


def _answer(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _whole(tokens: int) -> bytes:
    message = {"role": "assistant", "content": "".join(map(token, range(tokens)))}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "model": MODEL, "choices": [choice]}
    return _answer("200 OK", msgspec.json.encode({**body, "usage": _usage(tokens)}))


STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
TOKENS = [_event({"content": token(number)}) for number in range(MAX_TOKENS)]
TOKENS[0] = _event({"role": "assistant", "content": token(0)})
STOP = _event({}, "stop")
DONE = _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"
MODELS = _answer("200 OK", msgspec.json.encode({"data": [{"id": MODEL, "object": "model"}]}))
NOTHING = _answer("404 Not Found", b"{}")


def _last(tokens: int) -> bytes:
    body = {"id": "c", "model": MODEL, "choices": [], "usage": _usage(tokens)}
    return STOP + _chunked(b"data: " + msgspec.json.encode(body) + b"\n\n") + DONE


class Clock:
    """One timer for all streams: what is due in the same millisecond happens together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[int, list[Callable[[], None]]] = {}

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        key = int(when_s * 1000) + 1
        if key not in self._due:
            self._due[key] = []
            self._loop.call_at(key / 1000, self._fire, key)
        self._due[key].append(call)

    def _fire(self, key: int) -> None:
        for call in self._due.pop(key):
            call()


class Service(asyncio.Protocol):
    """One connection, one request after the other."""

    pace = Pace()

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._held = b""
        self._is_closed = False
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._is_closed = True

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, rest = self._held.partition(b"\r\n\r\n")
        low = head.lower()
        length = int(low.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if found and len(rest) >= length:
            self._held = b""
            self._answer(head, rest)

    def _answer(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path.endswith(b"/chat/completions"):
            self._chat(body)
        elif path == b"/pace":
            Service.pace = msgspec.json.decode(body, type=Pace)
            self._transport.write(_answer("200 OK", b"{}"))
        else:
            self._transport.write(MODELS if path.endswith(b"/models") else NOTHING)

    def _chat(self, body: bytes) -> None:
        pace = self.pace
        self._begin_at = self._loop.time() + pace.first_ms / 1000
        if b'"stream":true' not in body:
            self._later(self._begin_at, lambda: self._transport.write(_whole(pace.tokens)))
            return
        self._sent = 0
        self._transport.write(STREAM)
        self._later(self._begin_at, lambda: self._tell(pace))

    def _later(self, when_s: float, call: Callable[[], None]) -> None:
        if when_s > self._loop.time():
            self._clock.at(when_s, call)
        else:
            call()

    def _tell(self, pace: Pace) -> None:
        """Send what is due by now: a late timer never slows the stream."""
        if self._is_closed:
            return
        due = pace.tokens
        if pace.gap_ms:
            past_ms = (self._loop.time() - self._begin_at) * 1000
            due = min(due, max(int(past_ms / pace.gap_ms), self._sent) + 1)
        self._transport.write(b"".join(TOKENS[self._sent : due]))
        self._sent = due
        if due == pace.tokens:
            self._transport.write(_last(due))
        else:
            self._clock.at(self._begin_at + due * pace.gap_ms / 1000, lambda: self._tell(pace))


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    clock = Clock(loop)
    server = await loop.create_server(lambda: Service(clock), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
