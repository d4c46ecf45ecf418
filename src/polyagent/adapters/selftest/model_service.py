"""A model service that follows the script in the user's message, streamed as OpenAI's chat completions."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from polyagent.adapters.selftest.script import Call, Script

WORDS = ("I", "am", "going", "to", "use", "tools", "now.")
WORD_S = 0.02
USAGE = {"prompt_tokens": 7, "completion_tokens": 7, "total_tokens": 14}
LISTING = {"object": "list", "data": [{"id": "scripted", "object": "model"}]}
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class ModelService:
    """`told` keeps what was last said to the model of each tool call, by our id of the call."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self._serving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve on a free port of this machine; the address is what PYTHON_AI_URL wants."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_content_length(head))
                await self._answer(head, body, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, or was killed
        finally:
            writer.close()

    async def _answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET /v1/models "):
            await _write_json(writer, "200 OK", LISTING)
        elif head.startswith(b"POST /v1/chat/completions "):
            await self._play(msgspec.json.decode(body)["messages"], writer)
        else:
            await _write_json(writer, "404 Not Found", {"error": {"message": "not found"}})

    async def _play(self, messages: list[dict[str, Any]], writer: asyncio.StreamWriter) -> None:
        last = max(n for n, message in enumerate(messages) if message["role"] == "user")
        since = messages[last + 1 :]
        self.told |= {m["tool_call_id"]: _text(m["content"]) for m in since if m["role"] == "tool"}
        step = sum(message["role"] == "assistant" for message in since)
        steps = Script.of(_text(messages[last]["content"])).steps
        calls = steps[step] if step < len(steps) else ()
        writer.write(STREAM)
        for word in WORDS if calls else ("Done.",):
            await asyncio.sleep(WORD_S)
            await _write(writer, {"content": f"{word} "})
        await _finish(writer, step, calls)


async def _finish(writer: asyncio.StreamWriter, step: int, calls: Sequence[Call]) -> None:
    for n, call in enumerate(calls):
        arguments = msgspec.json.encode({"label": call.label, "hold_ms": call.hold_ms}).decode()
        function = {"name": f"selftest_{call.effect}", "arguments": arguments}
        asked = {"index": n, "id": f"call_{step}_{n}", "type": "function", "function": function}
        await _write(writer, {"tool_calls": [asked]})
    await _write(writer, {}, finish_reason="tool_calls" if calls else "stop")
    await _write_chunk(writer, _data({"choices": [], "usage": USAGE}))
    await _write_chunk(writer, b"data: [DONE]\n\n")
    await _write_chunk(writer, b"")


async def _write(
    writer: asyncio.StreamWriter, delta: dict[str, Any], finish_reason: str | None = None
) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    await _write_chunk(writer, _data({"choices": [choice]}))


def _data(fields: dict[str, Any]) -> bytes:
    told = {"id": "c1", "object": "chat.completion.chunk", "model": "scripted", **fields}
    return b"data: " + msgspec.json.encode(told) + b"\n\n"


async def _write_chunk(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    if writer.is_closing():
        raise ConnectionResetError("the client left")
    writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    await writer.drain()


async def _write_json(writer: asyncio.StreamWriter, status: str, answer: Any) -> None:
    body = msgspec.json.encode(answer)
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()


def _content_length(head: bytes) -> int:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


def _text(content: Any) -> str:
    """Return what a message says, be it text or parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return str(content)
