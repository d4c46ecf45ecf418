"""A client that calls an ASGI application as a server would, and hears streams as they come.

What it hears is held against the OpenAPI document.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import msgspec
from litestar import Litestar

from tests.api.documented import documented

LIMIT_S = 30


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def told(self, about: object) -> str:
        """Return the body without what differs from request to request: its id, and what it asked about."""
        text = self.body.decode().replace(self.headers["x-request-id"], "<request>")
        return text.replace(str(about), "<asked>")

    def as_problem(self, status: int, code: str) -> Any:
        """Check that this is a problem as the contract says, and return it."""
        problem = self.json
        assert (self.status, problem["code"]) == (status, code), problem
        assert self.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"/problems/{code}"
        assert problem["status"] == status
        assert problem["request_id"] == self.headers["x-request-id"]
        assert problem["title"]
        assert problem["detail"]
        assert set(problem) - {"run_id"} == {
            *("type", "title", "status", "detail", "instance", "code", "request_id", "errors")
        }
        return problem


class Exchange:
    """One request under way."""

    def __init__(self, app: Litestar, scope: dict[str, Any], chunks: list[bytes]) -> None:
        self._app = app
        self._scope = scope
        self._chunks = chunks
        self._gone = asyncio.Event()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.status = 0
        self.headers: dict[str, str] = {}

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)  # type: ignore[arg-type]  # plain dicts
        finally:
            await self._sent.put({"type": "end"})

    async def start(self) -> None:
        message = await self._next()
        assert message["type"] == "http.response.start", message
        self.status = message["status"]
        self.headers = {}
        for name, value in message["headers"]:
            key, told = name.decode().lower(), self.headers.get(name.decode().lower())
            self.headers[key] = value.decode() if told is None else f"{told}, {value.decode()}"

    async def body(self) -> AsyncIterator[bytes]:
        while (message := await self._next())["type"] == "http.response.body":
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    def leave(self) -> None:
        self._gone.set()

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT_S):
            return await self._sent.get()

    async def _receive(self) -> dict[str, Any]:
        if self._chunks:
            chunk = self._chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._sent.put(message)


class Client:
    """`token`: who asks, unless a request says otherwise."""

    def __init__(self, app: Litestar, token: str | None = None) -> None:
        self._app = app
        self.token = token

    def with_token(self, token: str | None) -> "Client":
        return Client(self._app, token)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.request("GET", path, headers=headers)

    async def post(self, path: str, json: Any = None, **headers: str) -> Answer:
        return await self.request("POST", path, json=json, headers=headers)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | list[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        also: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        """Names of headers are written with underscores; `also` are more of them, as they stand."""
        async with self.exchange(
            method, path, json=json, content=content, headers=headers, also=also
        ) as exchange:
            body = b"".join([chunk async for chunk in exchange.body()])
        sent = msgspec.json.encode(json) if json is not None else b""
        document = documented(self._app)
        document.check_request(method, path, exchange.status, sent)
        document.check_answer(method, path, exchange.status, exchange.headers, body)
        return Answer(exchange.status, exchange.headers, body)

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | list[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        also: tuple[tuple[str, str], ...] = (),
    ) -> AsyncIterator[Exchange]:
        if json is not None:
            content = msgspec.json.encode(json)
        chunks = content if isinstance(content, list) else [content]
        given = [(name.replace("_", "-"), value) for name, value in (headers or {}).items()]
        scope = self._scope(method, path, [*given, *also], sum(map(len, chunks)))
        exchange = Exchange(self._app, scope, list(chunks))
        task = asyncio.create_task(exchange.run())
        try:
            await exchange.start()
            documented(self._app).check_head(method, path, exchange.status, exchange.headers)
            yield exchange
        finally:
            exchange.leave()
            async with asyncio.timeout(LIMIT_S):
                await task

    def _scope(
        self, method: str, path: str, given: list[tuple[str, str]], length: int
    ) -> dict[str, Any]:
        raw, _, query = path.partition("?")
        headers = {"host": "127.0.0.1", "accept": "*/*"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        if length:
            headers |= {"content-type": "application/json", "content-length": str(length)}
        replaced = {name.lower() for name, _ in given}
        lines = [(n, v) for n, v in headers.items() if n not in replaced] + given
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw, errors="replace"),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in lines],
            "client": ("127.0.0.1", 40_000),
            "server": ("127.0.0.1", 8080),
        }
