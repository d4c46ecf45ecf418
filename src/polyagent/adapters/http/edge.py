"""What every request passes, whatever answers it: its name, its log line, its limits."""

import asyncio
import re
import time
from collections.abc import Mapping

import msgspec
import structlog
from dishka import AsyncContainer
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from polyagent.adapters.http.errors import problem_of
from polyagent.adapters.http.front.errors import shaped
from polyagent.adapters.http.intake import Intake
from polyagent.domain.errors import Invalid
from polyagent.domain.ids import new_id
from polyagent.ports.telemetry import Exposition
from polyagent.settings import Settings

UNMATCHED = "unmatched"

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger("polyagent.access")


class Edge:
    """ASGI middleware around the whole application. `methods` are those of each route, by its template."""

    def __init__(
        self,
        app: ASGIApp,
        container: AsyncContainer,
        settings: Settings,
        *,
        methods: Mapping[str, str],
    ) -> None:
        self._app = app
        self._container = container
        self._settings = settings.server
        self._access_log = settings.telemetry.access_log
        self._methods = methods
        self._exposition: Exposition | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] != ScopeType.HTTP:
                scope["state"] = {**scope.get("state", {}), "request_id": request_id}
                await self._app(scope, receive, send)
                return
            await self._http(scope, receive, send, request_id)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send, request_id: str) -> None:
        began = time.perf_counter()
        method = scope["method"]
        scope["state"] = {
            **scope.get("state", {}),
            "request_id": request_id,
            "is_head": method == "HEAD",
            "dishka_container": self._container,
        }
        intake = Intake(scope, receive, read_timeout_s=self._settings.read_timeout)
        answer = _Answer(scope, send, intake, self._settings.write_timeout, self._methods)
        try:
            await self._answer(scope, intake, answer)
        finally:
            await self._observe(scope, method, answer.status, time.perf_counter() - began)

    async def _answer(self, scope: HTTPScope, intake: Intake, answer: "_Answer") -> None:
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            await _refuse(scope, answer, Invalid("The address has the character NUL in it."))
            return
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        await self._app(scope, intake, answer)

    async def _observe(self, scope: HTTPScope, method: str, status: int, seconds: float) -> None:
        route = scope.get("path_template") or UNMATCHED
        exposition = await self._shared_exposition()
        exposition.observe_request(method, route, status, seconds)
        if self._access_log:
            ms = round(seconds * 1000, 1)
            log.info("request", method=method, route=route, status=status, ms=ms)

    async def _shared_exposition(self) -> Exposition:
        if self._exposition is None:
            found: Exposition = await self._container.get(Exposition)
            self._exposition = found
        return self._exposition


class _Answer:
    """Stands in the place of an ASGI `send`: adds what every answer has, and notes its status."""

    def __init__(
        self,
        scope: HTTPScope,
        send: Send,
        intake: Intake,
        write_timeout_s: float,
        methods: Mapping[str, str],
    ) -> None:
        self.status = 0
        self._scope = scope
        self._send = send
        self._intake = intake
        self._write_timeout_s = write_timeout_s
        self._methods = methods

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = list(self._headers(list(message["headers"])))
            if self.status >= 400:
                await self._intake.discard()
        elif message["type"] == "http.response.body" and self._scope["state"]["is_head"]:
            message["body"] = b""
        async with asyncio.timeout(self._write_timeout_s):
            await self._send(message)

    def _headers(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        state = self._scope["state"]
        headers = [(name, value) for name, value in given if name != b"allow"]
        names = {name for name, _ in given}
        if b"allow" in names:
            headers.append((b"allow", self._allow(dict(given)[b"allow"])))
        if b"cache-control" not in names:
            headers.append((b"cache-control", b"no-store"))
        headers.append((b"x-content-type-options", b"nosniff"))
        headers.append((b"x-request-id", state["request_id"].encode()))
        return headers

    def _allow(self, given: bytes) -> bytes:
        """The framework does not know that HEAD is answered, nor, to OPTIONS, all handlers of a path."""
        template = self._scope.get("path_template", "")
        methods = set(self._methods.get(template, given.decode()).split(", "))
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods)).encode()


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return str(new_id())


async def _refuse(scope: HTTPScope, send: Send, error: Invalid) -> None:
    problem = problem_of(error, scope)
    told, media_type = shaped(problem)
    body = msgspec.json.encode(told)
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
