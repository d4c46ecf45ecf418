"""What every request passes, whatever answers it: its name, its log line, its limits."""

import re
import time
from collections.abc import Mapping

import structlog
from dishka import AsyncContainer
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send, WebSocketScope

from polyagent.adapters.http.admission import Admission
from polyagent.adapters.http.edge.answer import Answer
from polyagent.adapters.http.edge.head import Head, read_head
from polyagent.adapters.http.edge.hosts import Hosts
from polyagent.adapters.http.edge.intake import Intake
from polyagent.adapters.http.edge.origins import Headers, Origins
from polyagent.adapters.http.edge.proxies import Proxies
from polyagent.adapters.http.edge.refusals import refuse, refuse_upgrade
from polyagent.adapters.http.edge.tracing import traced
from polyagent.adapters.http.rates import RequestRates
from polyagent.domain.audit import CLIENT
from polyagent.domain.errors import Forbidden, Invalid, NotFound, PolyAgentError
from polyagent.domain.ids import new_id
from polyagent.domain.limit import Bucket
from polyagent.ports.telemetry import Exposition
from polyagent.settings import Settings
from polyagent.usecases.audit import Audit

UNMATCHED = "unmatched"
MAX_ORIGIN = 200
HEALTH = frozenset({"/health", "/health/live", "/health/ready"})

_SOCKET = re.compile(r"/ws(?:/chat/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?/?")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger("polyagent.access")


class Edge:
    """ASGI middleware around the whole application. `methods` are those of each route, by its template."""

    def __init__(
        self,
        app: ASGIApp,
        container: AsyncContainer,
        settings: Settings,
        rates: RequestRates,
        admission: Admission,
        *,
        methods: Mapping[str, str],
    ) -> None:
        self._app = app
        self._container = container
        self._settings = settings.server
        self._access_log = settings.telemetry.access_log
        self._methods = methods
        self._rates = rates
        self._admission = admission
        self._hosts = Hosts(settings.server)
        self._origins = Origins(settings.server.cors_origins)
        self._proxies = Proxies(settings.server.trusted_proxies)
        self._exposition: Exposition | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == ScopeType.HTTP:
                await self._http(scope, receive, send)
            else:
                await self._socket(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        method = scope["method"]
        scope["state"] |= {"is_head": method == "HEAD", "dishka_container": self._container}
        intake = Intake(scope, receive, read_timeout_s=self._settings.read_timeout)
        answer = Answer(
            scope,
            send,
            intake,
            write_timeout_s=self._settings.write_timeout,
            methods=self._methods,
        )
        try:
            with self._admission.counting(scope["state"]):
                await self._answer(scope, intake, answer)
        finally:
            if (leave := scope["state"].get("leave")) is not None:
                leave()
            await self._observe(scope, method, answer.status, time.perf_counter() - began)

    async def _answer(self, scope: HTTPScope, intake: Intake, answer: Answer) -> None:
        method = scope["method"]
        try:
            head = read_head(scope)
            answer.also = self._origins.headers(head)
            self._admit(scope, method, head)
            if (permission := self._origins.preflight(method, head)) is not None:
                await _permit(answer, permission)
                return
            failing = await self._count(scope)
        except PolyAgentError as error:
            await self._note(scope, method, error)
            await refuse(scope, answer, error)
            return
        if method == "HEAD":
            scope["method"] = "GET"
        with traced(scope, head, answer):
            await self._app(scope, intake, answer)
        if failing is not None and answer.status != 401:
            await self._rates.forgive(failing)
        await self._rates.of_unopened(scope, answer.status)

    async def _count(self, scope: HTTPScope) -> Bucket | None:
        """Return what is to be forgiven where the request does not fail. Raises `Limited`."""
        self._admission.check(scope["path"])
        if scope["path"] in HEALTH:
            return None
        await self._rates.of_address(scope)
        return await self._rates.of_login(scope)

    async def _socket(self, scope: WebSocketScope, receive: Receive, send: Send) -> None:
        try:
            self._admit(scope, "CONNECT", read_head(scope))
            if _SOCKET.fullmatch(scope["path"]) is None:
                raise NotFound("There is no socket at this address.")
        except PolyAgentError as error:
            await receive()
            await self._note(scope, "CONNECT", error)
            await refuse_upgrade(scope, send, error)
            return
        await self._app(scope, receive, send)

    def _admit(self, scope: HTTPScope | WebSocketScope, method: str, head: Head) -> None:
        """Raises what is wrong with the request's head; else the scope and the audit log know its client's address."""
        path = scope["path"]
        if "\x00" in path or b"%00" in scope["query_string"]:
            raise Invalid("The address has the character NUL in it.")
        if (peer := scope["client"]) is not None:
            address = self._proxies.client(peer[0], head)
            scope["client"] = (address, peer[1])
            CLIENT.set(address)
        if path not in HEALTH:
            self._hosts.check(head.get(b"host"))
        self._origins.check(method, head)

    async def _note(
        self, scope: HTTPScope | WebSocketScope, method: str, error: PolyAgentError
    ) -> None:
        """Note that a page of another site asked for something; nothing else is forbidden this early."""
        if not isinstance(error, Forbidden):
            return
        origin = dict(scope["headers"]).get(b"origin", b"")[:MAX_ORIGIN].decode("latin-1")
        audit = await self._container.get(Audit)
        await audit.refused(
            "origin", object=f"{method} {scope['path']}", details={"origin": origin}
        )

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
            found.watch("requests", lambda: self._admission.in_hand, self._admission.most)
        return self._exposition


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return str(new_id())


async def _permit(answer: Answer, permission: Headers) -> None:
    await answer({"type": "http.response.start", "status": 204, "headers": permission})
    await answer({"type": "http.response.body", "body": b"", "more_body": False})
