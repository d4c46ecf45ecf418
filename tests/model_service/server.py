"""The server of the scripted model service."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self

from tests.model_service.meanings import Meanings
from tests.model_service.reply import Reply
from tests.model_service.scripts import Ask, Stage, play
from tests.model_service.strict import complaints

CERTIFICATE = Path(__file__).with_name("localhost.pem")  # with its key; for 127.0.0.1

REFUSALS = {
    "tools": "scripted does not support tools",
    "stream_options": "Unrecognized request argument supplied: stream_options",
    "max_tokens": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
    "json_schema": "This response_format type is unavailable now",
    "json_object": "'response_format.type' must be 'json_schema' or 'text'",
    "bad_schema": "Invalid schema for response_format 'x': 'required' is required",
    "all_formats": "Grammar error: scripted cannot follow this schema",
    "tool_choice": "The tool_choice parameter does not support being set to required or object",
    "parallel_tool_calls": "Unsupported parameter: parallel_tool_calls is not taken with tools",
    "effort_with_tools": "Function tools with reasoning_effort are not supported",
    "echo": "stream_options and max_completion_tokens are fine, the weather is not",
    "images": "Invalid content type. image_url is only supported by certain models.",
}


def _has(field: str, body: dict[str, Any]) -> bool:
    kind = (body.get("response_format") or {}).get("type")
    if field == "images":
        return "image_url" in json.dumps(body["messages"])
    if field in ("json_schema", "json_object", "bad_schema"):
        return bool(kind == field.replace("bad", "json"))
    if field == "effort_with_tools":
        return bool(body.get("tools") and body.get("reasoning_effort"))
    if field in ("all_formats", "echo"):
        return field == "echo" or kind is not None
    return bool(body.get(field))


def _certified() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


class ModelService:
    """Plays scripts and keeps what it was asked: `calls` per last user message, `requests` in order.

    `strict` refuses conversations as strict providers do; `refuses` names fields that it takes with a
    400; `models` is what it lists (names, or whole objects), None for no list at all; `listing` is its
    whole answer instead, with the status `lists_with`; `embeds_with` is the status that a request for
    embeddings gets; with `tls` it has the certificate `CERTIFICATE`, which nobody trusts by himself. With `meanings` it makes embeddings
    and ranks texts.
    """

    def __init__(
        self,
        *,
        strict: bool = False,
        refuses: Collection[str] = (),
        models: Sequence[str | dict[str, Any]] | None = ("scripted",),
        listing: Any = None,
        lists_with: int = 200,
        embeds_with: int = 404,
        key: str | None = None,
        port: int = 0,
        socket: Path | None = None,
        tls: bool = False,
        meanings: Meanings | None = None,
    ) -> None:
        self.meanings = meanings
        self.calls: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.listings = 0
        self.embeddings = 0
        self.connections = 0
        self._strict = strict
        self._refuses = refuses
        self._models = models
        self._listing = listing
        self._lists_with = lists_with
        self._embeds_with = embeds_with
        self._key = key
        self._port = port
        self._socket = socket
        self._tls = tls
        self._stage = Stage()
        self._plays: dict[str, str] = {}
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"unix:{self._socket}" if self._socket else f"{scheme}://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        if self._socket:
            self._server = await asyncio.start_unix_server(self._accept, self._socket)
        else:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self._port, ssl=_certified() if self._tls else None
            )
            self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.hang_up()
        await self._server.wait_closed()

    async def arrived(self, name: str) -> None:
        """Wait until a `hold <name>` has sent its first delta."""
        await self._stage.arrivals[name].wait()

    def release(self, name: str) -> None:
        self._stage.releases[name].set()

    async def left(self, key: str) -> None:
        """Wait until a client went away while it was being answered."""
        await self._stage.departures[key].wait()

    def plays(self, message: str, script: str) -> None:
        """Play another script than the message: services that get the same one may differ."""
        self._plays[message] = script

    async def hang_up(self) -> None:
        """Close the connections that are open, as services do with idle ones."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection may carry another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split("\r\n")[0].split(" ")
        lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        size = int(headers.get("content-length", 0))
        body = json.loads(await reader.readexactly(size)) if size else {}
        reply = Reply(reader, writer, streamed=bool(body.get("stream")))
        await self._route(f"{method} {path}", headers, body, reply)
        return reply.keeps_alive

    async def _route(
        self, route: str, headers: dict[str, str], body: dict[str, Any], reply: Reply
    ) -> None:
        verb, _, name = route.rpartition("/")
        if verb == "POST /release":
            self.release(name)
            await reply.json(200, {})
        elif verb == "GET /arrived":
            await self.arrived(name)
            await reply.json(200, {})
        elif route == "GET /calls":
            await reply.json(200, self.calls)
        elif route == "GET /requests":
            await reply.json(200, self.requests)
        elif self._key and headers.get("authorization") != f"Bearer {self._key}":
            told = {"message": f"Incorrect API key provided: {headers.get('authorization')}"}
            await reply.json(401, {"error": told})
        elif route == "GET /v1/models" and self._models is not None:
            await self._list(reply)
        elif route == "POST /v1/chat/completions":
            self.headers.append(headers)
            await self._chat(body, reply)
        else:
            await self._mean(route, body, reply)

    async def _mean(self, route: str, body: dict[str, Any], reply: Reply) -> None:
        if route == "POST /v1/embeddings" and self.meanings is not None and body:
            await self.meanings.embed(body, reply)
        elif route == "POST /v1/rerank" and self.meanings is not None:
            await self.meanings.rank(body, reply)
        elif route == "POST /v1/embeddings":
            self.embeddings += 1
            await reply.json(self._embeds_with, {"detail": "model and input are missing"})
        else:
            await reply.json(404, {"detail": "Not Found"})

    async def _list(self, reply: Reply) -> None:
        self.listings += 1
        models = [{"id": m} if isinstance(m, str) else m for m in self._models or ()]
        whole = {"object": "list", "data": models} if self._listing is None else self._listing
        await reply.json(self._lists_with, whole)

    async def _chat(self, body: dict[str, Any], reply: Reply) -> None:
        ask = Ask(body, self._plays)
        self.calls[ask.key] += 1
        self.requests.append(body)
        refused = [REFUSALS[field] for field in self._refuses if _has(field, body)]
        wrong = [*complaints(body["messages"])] if self._strict else []
        if refused or wrong:
            error = {"message": "; ".join(refused + wrong), "type": "invalid_request_error"}
            await reply.json(400, {"error": error})
            return
        try:
            await play(reply, ask, self._stage)
        except ConnectionError:
            self._stage.departures[ask.key].set()
            raise
